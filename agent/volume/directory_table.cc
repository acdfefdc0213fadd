#include "agent/volume/directory_table.h"

#include "common/base/check.h"
#include "common/tree/codec.h"

namespace devrun::volume {

namespace {
constexpr size_t kSlotBytes = 160;  // slot and index, about
}

void DirectoryTable::add(const Digest& id, std::string encoded) {
  const auto [it, fresh] = by_id_.emplace(id, static_cast<DirectoryNumber>(slots_.size()));
  if (!fresh) return;
  bytes_ += encoded.size() + kSlotBytes;
  slots_.push_back(Slot{std::move(encoded), nullptr});
}

DirectoryNumber DirectoryTable::add_root(const tree::Entry& root) {
  const auto number = static_cast<DirectoryNumber>(slots_.size());
  slots_.push_back(
      Slot{{}, std::make_unique<const PackedDirectory>(tree::Directory{.entries = {root}})});
  bytes_ += slots_.back().packed->bytes() + kSlotBytes;
  return number;
}

DirectoryNumber DirectoryTable::find(const Digest& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNoDirectory : found->second;
}

Result<const PackedDirectory*> DirectoryTable::get(DirectoryNumber number) {
  Slot& slot = slots_.at(number);
  if (slot.packed) return slot.packed.get();
  const tree::Directory directory = TRY(tree::decode_directory(slot.encoded));
  slot.packed = std::make_unique<const PackedDirectory>(directory);
  bytes_ = bytes_ - slot.encoded.size() + slot.packed->bytes();
  slot.encoded = std::string();
  decoded_count_ += 1;
  return slot.packed.get();
}

const PackedDirectory& DirectoryTable::decoded(DirectoryNumber number) const {
  const Slot& slot = slots_.at(number);
  CHECK(slot.packed != nullptr);
  return *slot.packed;
}

}  // namespace devrun::volume
