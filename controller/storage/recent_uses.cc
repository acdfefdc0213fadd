#include "controller/storage/recent_uses.h"

namespace devrun::storage {

uint64_t RecentUses::begin() {
  const std::lock_guard lock(mutex_);
  active_.insert(++last_);
  return last_;
}

void RecentUses::end(uint64_t begun) {
  const std::lock_guard lock(mutex_);
  active_.erase(active_.find(begun));
}

void RecentUses::note(const std::string& path) {
  const std::lock_guard lock(mutex_);
  noted_[std::hash<std::string>{}(path)] = ++last_;
}

void RecentUses::forget_ended() {
  const std::lock_guard lock(mutex_);
  if (active_.empty()) return noted_.clear();
  const uint64_t oldest = *active_.begin();
  std::erase_if(noted_, [&](const auto& note) { return note.second < oldest; });
}

Result<bool> RecentUses::delete_unless_used(const std::string& path,
                                            const std::function<Status()>& remove) {
  const std::lock_guard lock(mutex_);
  if (noted_.contains(std::hash<std::string>{}(path))) return false;
  TRY(remove());
  return true;
}

}  // namespace devrun::storage
