#include "controller/storage/tree_objects.h"

#include <fmt/format.h>

namespace devrun::storage {

Result<std::string_view> TreeObjects::bytes(const Digest& id) {
  if (in_memory_) {
    if (std::optional<std::string> held = in_memory_(id)) {
      last_ = std::move(*held);
      return std::string_view(last_);
    }
  }
  for (;;) {
    const auto found = objects_.find(id);
    if (found != objects_.end()) return std::string_view(found->second);
    if (packs_read_ == packs_.size()) {
      return Error{
          Code::kCorrupt, fmt::format("no pack has directory object {}", id.short_hex()), {}};
    }
    for (tree::Object& object : TRY(files_.pack(packs_[packs_read_]))) {
      objects_.emplace(object.id, std::move(object.bytes));
    }
    ++packs_read_;
  }
}

Result<tree::Directory> TreeObjects::read(const Digest& id) {
  return tree::decode_directory(TRY(bytes(id)));
}

}  // namespace devrun::storage
