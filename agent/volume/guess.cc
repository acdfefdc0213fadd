#include "agent/volume/guess.h"

#include <algorithm>
#include <vector>

#include "agent/volume/elf_needed.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kElfBytesMax = 160 << 20;  // fetched whole
constexpr uint64_t kSmallBytesMax = 128 << 10;
constexpr size_t kNeighboursMax = 512;
constexpr uint64_t kNeighboursBytesMax = 8 << 20;

std::string_view kind_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view{} : name.substr(dot);
}

}  // namespace

void Guesser::read(NodeId file) {
  {
    const std::lock_guard lock(mutex_);
    if (files_.size() >= kRememberedMax) files_.clear();
    if (!files_.insert(file).second) return;
  }
  prefetcher_.think([this, file] { think(file); }, ending_.get_token());
}

void Guesser::known(NodeId file) {
  const std::lock_guard lock(mutex_);
  if (files_.size() < kRememberedMax) files_.insert(file);
}

void Guesser::think(NodeId file) {
  const Result<Attributes> attributes = vfs_.attributes(file);
  if (!attributes || attributes->type != tree::EntryType::kRegular || attributes->size == 0) return;
  if (attributes->size >= kElfHeadBytes) {
    std::vector<Slice> head;
    if (!vfs_.warm(file, 0, kElfHeadBytes, ending_.get_token(), &head)) return;
    if (!head.empty() && is_elf(head.front().bytes)) {
      think_of_elf(file, attributes->size);
      return;
    }
  }
  if (attributes->size <= kSmallBytesMax) think_of_neighbours(file);
}

void Guesser::think_of_elf(NodeId file, uint64_t size) {
  const std::optional<NodeId> folder = vfs_.folder_of(file);
  const auto read = [&](uint64_t offset, uint64_t bytes) {
    std::string out;
    std::vector<Slice> slices;
    if (!vfs_.warm(file, offset, bytes, ending_.get_token(), &slices)) return out;
    for (const Slice& slice : slices) out.append(slice.bytes);
    return out;
  };
  if (folder) {
    for (const std::string& name : elf_needed(read)) follow(*folder, name);
  }
  if (size <= kElfBytesMax)
    prefetcher_.want({file, 0, size}, Prefetcher::Bring::kHere, ending_.get_token());
}

// A library by the name that the loader uses: the file, or a link to it in the same folder.
void Guesser::follow(NodeId folder, const std::string& name) {
  Result<std::optional<Found>> found = vfs_.lookup(folder, name);
  if (!found || !*found) return;
  if ((*found)->attributes.type == tree::EntryType::kSymlink) {
    const Result<std::string> target = vfs_.link_target((*found)->node);
    if (!target || target->find('/') != std::string::npos) return;
    found = vfs_.lookup(folder, *target);
    if (!found || !*found) return;
  }
  if ((*found)->attributes.type == tree::EntryType::kRegular) read((*found)->node);
}

void Guesser::think_of_neighbours(NodeId file) {
  const std::optional<NodeId> folder = vfs_.folder_of(file);
  const std::optional<std::string> own = vfs_.name_of(file);
  if (!folder || !own) return;
  const std::optional<std::string> above = vfs_.name_of(*folder);
  const unsigned enough = above && *above == "__pycache__" ? 1 : 2;
  {
    const std::lock_guard lock(mutex_);
    if (folders_.size() >= kRememberedMax) folders_.clear();
    if (++folders_[*folder] != enough) return;
  }
  std::vector<std::string> names;
  uint64_t bytes = 0;
  const Status listed = vfs_.list(*folder, 0, false, [&](const Listed& entry) {
    const Attributes& attributes = entry.attributes;
    if (attributes.type != tree::EntryType::kRegular || attributes.size > kSmallBytesMax)
      return true;
    if (kind_of(entry.name) != kind_of(*own) || attributes.size == 0) return true;
    names.emplace_back(entry.name);
    bytes += attributes.size;
    return names.size() <= kNeighboursMax && bytes <= kNeighboursBytesMax;
  });
  if (!listed || names.size() > kNeighboursMax || bytes > kNeighboursBytesMax) return;
  for (const std::string& name : names) {
    const Result<std::optional<Found>> found = vfs_.lookup(*folder, name);
    if (!found || !*found) continue;
    prefetcher_.want({(*found)->node, 0, (*found)->attributes.size}, Prefetcher::Bring::kHere,
                     ending_.get_token());
  }
}

}  // namespace devrun::volume
