// Who a user is where devrun does not say who people are: on folders of the site (/lustre, /datasets, home on a filer) that
// containers have beside their volume. An administrator names the ids (`devrun user add --ids`), or a node's passwd knows
// the name. Never root's: a container's root is nobody outside of it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun {

struct SiteIdentity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups = {};  // further ones
  bool operator==(const SiteIdentity&) const = default;
};
inline constexpr size_t kSiteGroupsMax = 128;

// kInvalid for root's or nobody's ids, or too many groups.
Status check_site_identity(const SiteIdentity& ids);

// UID:GID[,GID…], as `devrun user` takes and shows it. Sorted, each group once. kInvalid.
Result<SiteIdentity> parse_site_identity(std::string_view text);
std::string to_string(const SiteIdentity& ids);

}  // namespace devrun
