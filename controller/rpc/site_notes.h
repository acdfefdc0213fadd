// Who has been told that a folder is a mount of the nodes' and no part of a snapshot: each user once for each mount, as
// long as this controller runs.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace devrun::controller {

inline constexpr size_t kSiteNotesMax = 100'000;  // beyond that nobody new is told

// Any thread.
class SiteNotes {
 public:
  // Whether this is the first time.
  bool take(const std::string& user, const std::string& mount) {
    const std::lock_guard lock(mutex_);
    return told_.size() < kSiteNotesMax && told_.emplace(user, mount).second;
  }

 private:
  std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> told_;
};

}  // namespace devrun::controller
