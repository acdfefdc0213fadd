#include "controller/rpc/home_wire.h"

#include <fmt/format.h>

namespace devrun::controller {

namespace {

namespace pb = devrun::v1;

Error malformed(const pb::HomeEntry& in, std::string_view what) {
  return {Code::kInvalid,
          fmt::format("the entry /{} is malformed: {}", in.path().substr(0, 200), what),
          {}};
}

Result<tree::Entry> entry_of(const pb::HomeEntry& whole) {
  const pb::Entry& in = whole.entry();
  if (in.type() < pb::REGULAR || in.type() > pb::MOUNT_POINT) return malformed(whole, "its type");
  if (!in.name().empty() || !in.lineage().empty() || !in.directory().empty()) {
    return malformed(whole, "it says what the controller gives");
  }
  tree::Entry out;
  out.type = static_cast<tree::EntryType>(in.type());
  out.mode = in.mode();
  out.uid = in.uid();
  out.gid = in.gid();
  out.size = in.size();
  out.mtime_ns = in.mtime_ns();
  out.ctime_ns = in.ctime_ns();
  out.inode = in.inode();
  out.links = in.links() == 0 ? 1 : in.links();
  out.device = in.device();
  out.link_target = in.link_target();
  if (in.body().size() == 1) return malformed(whole, "a body without bytes");
  if (!in.body().empty()) {
    out.body = {static_cast<tree::BodyKind>(in.body()[0]), in.body().substr(1)};
  }
  for (const pb::Xattr& xattr : in.xattrs()) out.xattrs.push_back({xattr.name(), xattr.value()});
  return out;
}

}  // namespace

Result<std::vector<storage::UpperItem>> items_of(const pb::HomeEntries& in) {
  std::vector<storage::UpperItem> out;
  out.reserve(static_cast<size_t>(in.entries_size()));
  for (const pb::HomeEntry& entry : in.entries()) {
    storage::UpperItem& item = out.emplace_back();
    item.path = entry.path();
    item.whiteout = entry.whiteout();
    if (!item.whiteout) item.entry = TRY(entry_of(entry));
    item.opaque = entry.opaque();
    item.redirect = entry.redirect();
    item.metacopy = entry.metacopy();
    item.unnamed = entry.unnamed();
    item.copied_up = entry.copied_up();
  }
  return out;
}

}  // namespace devrun::controller
