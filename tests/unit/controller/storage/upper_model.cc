#include "tests/unit/controller/storage/upper_model.h"

#include <ctime>

#include "common/tree/codec.h"

namespace devrun::storage {

namespace {

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

tree::Body body_of(const std::string& text) {
  if (text.size() <= tree::kInlineBytesMax) return {tree::BodyKind::kInline, text};
  std::string hashes;
  for (size_t at = 0; at < text.size(); at += tree::kChunkBytes) {
    hashes.append(tree::sha256(std::string_view(text).substr(at, tree::kChunkBytes)).view());
  }
  return {tree::BodyKind::kChunked, std::string(tree::sha256(hashes).view())};
}

}  // namespace

void UpperModel::write(const std::string& path, const std::string& text, uint32_t mode) {
  Item& item = items_[path] = {};
  item.text = text;
  item.item.path = path;
  tree::Entry& entry = item.item.entry;
  entry.mode = mode;
  entry.size = text.size();
  if (!text.empty()) entry.body = body_of(text);
  entry.inode = ++inode_;
  entry.mtime_ns = entry.ctime_ns = now_ns();
}

void UpperModel::link(const std::string& path, const std::string& target) {
  write(path, "", 0777);
  tree::Entry& entry = items_[path].item.entry;
  entry.type = tree::EntryType::kSymlink;
  entry.link_target = target;
  entry.size = target.size();
}

void UpperModel::remove(const std::string& path) {
  write(path, "");
  items_[path].item.whiteout = true;
}

void UpperModel::make_folder(const std::string& path, bool opaque) {
  write(path, "", 0755);
  items_[path].item.entry.type = tree::EntryType::kDirectory;
  items_[path].item.opaque = opaque;
}

void UpperModel::forget(const std::string& path) {
  items_.erase(path);
}

bool UpperModel::is_whiteout(const std::string& path) const {
  const auto found = items_.find(path);
  return found != items_.end() && found->second.item.whiteout;
}

bool UpperModel::has_below(const std::string& path) const {
  const auto after = items_.upper_bound(path + "/");
  return after != items_.end() && after->first.starts_with(path + "/");
}

void UpperModel::drop_deletions() {
  for (auto at = items_.begin(); at != items_.end();) {
    const bool is_folder = at->second.item.entry.type == tree::EntryType::kDirectory;
    if (!at->second.item.whiteout && !is_folder) {
      ++at;
      continue;
    }
    const std::string path = at->first;
    at = items_.erase(at);
    while (at != items_.end() && at->first.starts_with(path + "/")) at = items_.erase(at);
  }
}

std::vector<UpperItem> UpperModel::items() const {
  std::map<std::vector<std::string>, UpperItem> sorted;  // by the parts of their paths
  const auto parts_of = [](const std::string& path) {
    std::vector<std::string> out;
    for (size_t at = 0; at < path.size();) {
      const size_t end = std::min(path.find('/', at), path.size());
      out.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    return out;
  };
  for (const auto& [path, item] : items_) {
    sorted[parts_of(path)] = item.item;
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      UpperItem folder;
      folder.path = path.substr(0, slash);
      folder.entry.type = tree::EntryType::kDirectory;
      folder.entry.mode = 0755;
      folder.entry.inode = 900;
      sorted.try_emplace(parts_of(folder.path), folder);
    }
  }
  std::vector<UpperItem> out;
  for (auto& [parts, item] : sorted) out.push_back(std::move(item));
  return out;
}

const std::string& UpperModel::text_of(const std::vector<UpperItem>& items, uint64_t entry) const {
  return items_.at(items.at(entry).path).text;
}

Result<HomeSummary> bring(Storage& storage, const HomeStart& start, const UpperModel& upper) {
  const std::unique_ptr<HomeRound> round = TRY(storage.begin_round(start));
  const std::vector<UpperItem> items = upper.items();
  for (const uint64_t entry : TRY(round->add(items))) {
    const std::string& text = upper.text_of(items, entry);
    TRY(round->bytes(entry, text, true));
  }
  return round->finish();
}

}  // namespace devrun::storage
