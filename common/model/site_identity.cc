#include "common/model/site_identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "common/base/parse_number.h"

namespace devrun {

namespace {

constexpr uint32_t kNobody = 65534;
constexpr uint32_t kNone = 0xffffffff;  // what system calls take for "leave it as it is"

bool is_somebodys(uint32_t id) {
  return id != 0 && id != kNobody && id != kNone;
}

}  // namespace

Status check_site_identity(const SiteIdentity& ids) {
  if (!is_somebodys(ids.uid) || !is_somebodys(ids.gid) ||
      !std::ranges::all_of(ids.groups, is_somebodys)) {
    return Error{Code::kInvalid,
                 fmt::format("{}: nobody is root (0) or nobody ({}) on site mounts, and none of "
                             "their groups",
                             to_string(ids), kNobody),
                 "the ids that `id NAME` tells where that folder is at home"};
  }
  if (ids.groups.size() <= kSiteGroupsMax) return ok();
  return Error{
      Code::kExhausted,
      fmt::format("{} groups on site mounts, at most {}", ids.groups.size(), kSiteGroupsMax),
      {}};
}

Result<SiteIdentity> parse_site_identity(std::string_view text) {
  const auto bad = [&] {
    return Error{
        Code::kInvalid,
        fmt::format("'{}' is not UID:GID or UID:GID,GID…: numbers, as 1234:100,2000", text),
        "what `id NAME` tells on a machine of the site"};
  };
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return bad();
  const auto uid = parse_number<uint32_t>(text.substr(0, colon));
  if (!uid) return bad();
  std::vector<uint32_t> groups;
  for (std::string_view rest = text.substr(colon + 1);;) {
    const size_t comma = rest.find(',');
    const auto gid = parse_number<uint32_t>(rest.substr(0, comma));
    if (!gid) return bad();
    groups.push_back(*gid);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  SiteIdentity out{*uid, groups.front(), {groups.begin() + 1, groups.end()}};
  std::ranges::sort(out.groups);
  const auto twice = std::ranges::unique(out.groups);
  out.groups.erase(twice.begin(), twice.end());
  std::erase(out.groups, out.gid);
  TRY(check_site_identity(out));
  return out;
}

std::string to_string(const SiteIdentity& ids) {
  return fmt::format("{}:{}{}{}", ids.uid, ids.gid, ids.groups.empty() ? "" : ",",
                     fmt::join(ids.groups, ","));
}

}  // namespace devrun
