#include "controller/storage/tree_walk.h"

#include <fmt/format.h>

namespace devrun::storage {

Result<std::string> TreeWalk::take(const Digest& id, const tree::Manifest& manifest,
                                   const Step& step) {
  auto found = objects_.find(id);
  for (auto pack = manifest.packs.begin(); found == objects_.end(); ++pack) {
    if (pack == manifest.packs.end()) {
      return Error{Code::kCorrupt,
                   fmt::format("directory object {} of tree {} is in none of its packs",
                               id.short_hex(), manifest.tree.short_hex()),
                   {}};
    }
    if (packs_read_.contains(*pack)) continue;
    if (bytes_ > kWalkBytesMax) {
      objects_.clear();
      packs_read_.clear();
      bytes_ = 0;
      pack = manifest.packs.begin();
    }
    for (tree::Object& object : TRY(files_.pack(*pack))) {
      if (met_.contains(object.id)) continue;
      bytes_ += object.bytes.size();
      objects_.emplace(object.id, std::move(object.bytes));
    }
    packs_read_.insert(*pack);
    if (step) TRY(step());
    found = objects_.find(id);
    if (found != objects_.end()) break;
  }
  std::string out = std::move(found->second);
  bytes_ -= std::min(bytes_, out.size());
  objects_.erase(found);
  return out;
}

Status TreeWalk::walk(const tree::Manifest& manifest, const EntrySink& sink, const Step& step) {
  constexpr size_t kFoldersPerStep = 1000;
  std::vector<Digest> todo{manifest.tree};
  for (size_t folders = 0; !todo.empty(); ++folders) {
    const Digest id = todo.back();
    todo.pop_back();
    if (met_.contains(id)) continue;
    const std::string bytes = TRY(take(id, manifest, step));
    Result<tree::Directory> directory = tree::decode_directory(bytes);
    if (!directory) {
      return std::move(directory).error().context(fmt::format("object {}", id.short_hex()));
    }
    for (const tree::Entry& entry : directory->entries) {
      TRY(sink(entry));
      if (entry.type == tree::EntryType::kDirectory) todo.push_back(entry.directory);
    }
    met_.insert(id);
    if (step && folders % kFoldersPerStep == 0) TRY(step());
  }
  return ok();
}

}  // namespace devrun::storage
