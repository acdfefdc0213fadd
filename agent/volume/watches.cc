#include "agent/volume/watches.h"

#include <algorithm>

namespace devrun::volume {

void Watches::begin(const std::string& id, NodeId root) {
  const std::lock_guard lock(mutex_);
  if (watches_.contains(id)) return;
  if (watches_.size() >= kWatchesMax) {
    const auto oldest = std::ranges::min_element(
        watches_, {}, [](const auto& entry) { return entry.second.number; });
    forget(std::string(oldest->first));
  }
  Watch& watch = watches_[id];
  watch.root = root;
  watch.number = ++begun_;
  places_.clear();  // what was nobody's may be this one's
  any_ = true;
}

std::optional<std::string> Watches::take(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = watches_.find(id);
  if (found == watches_.end()) return std::nullopt;
  std::optional<std::string> out;
  if (!found->second.overflown) out = tree::encode_reads(found->second.reads);
  forget(id);
  return out;
}

void Watches::forget(const std::string& id) {
  watches_.erase(id);
  places_.clear();
  any_ = !watches_.empty();
}

Watches::Place Watches::place_of(NodeId folder) {
  const auto known = places_.find(folder);
  if (known != places_.end()) return known->second;
  Place out;
  const std::optional<Vfs::Place> place = vfs_.place_of(folder);
  for (auto& [id, watch] : watches_) {
    if (place && watch.root == place->root) {
      out = {&watch, &watch.reads.folders[place->path]};
    }
  }
  places_[folder] = out;
  return out;
}

void Watches::looked_up(NodeId folder, std::string_view name) {
  if (!any_) return;
  const std::lock_guard lock(mutex_);
  const Place place = place_of(folder);
  if (place.watch == nullptr || place.watch->overflown) return;
  if (!place.folder->names.emplace(name).second) return;
  if (++place.watch->names <= tree::kReadNamesMax) return;
  Watch& watch = *place.watch;
  watch.overflown = true;
  watch.reads = {};
  places_.clear();  // of which some name its folders
}

bool Watches::listed(NodeId folder) {
  if (!any_) return false;
  const std::lock_guard lock(mutex_);
  const Place place = place_of(folder);
  if (place.watch == nullptr) return false;
  place.folder->listed = true;
  return true;
}

}  // namespace devrun::volume
