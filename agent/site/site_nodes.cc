#include "agent/site/site_nodes.h"

#include <fcntl.h>

#include <algorithm>

namespace devrun::site {

namespace {

// A server may give a new file the number of one that is gone, whose descriptor is then stale.
bool is_still(const Node& node, const struct stat& about) {
  struct stat now {};
  return ::fstatat(node.fd.get(), "", &now, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 &&
         (now.st_mode & S_IFMT) == (about.st_mode & S_IFMT);
}

}  // namespace

SiteNodes::SiteNodes(UniqueFd root, size_t files_max) : files_max_(files_max) {
  struct stat about {};
  ::fstatat(root.get(), "", &about, AT_EMPTY_PATH);
  const auto node = std::make_shared<const Node>(Node{std::move(root), kRootNumber, true});
  known_[kRootNumber] = {node, 1, {about.st_dev, about.st_ino}};
  by_file_[{about.st_dev, about.st_ino}] = kRootNumber;
}

std::shared_ptr<const Node> SiteNodes::find(NodeNumber number) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  return found == known_.end() ? nullptr : found->second.node;
}

NodeNumber SiteNodes::add(NodeNumber parent, const char* name, UniqueFd fd,
                          const struct stat& about) {
  const std::pair<dev_t, ino_t> file{about.st_dev, about.st_ino};
  const std::lock_guard lock(mutex_);
  const auto same = by_file_.find(file);
  if (same != by_file_.end()) {
    Known& known = known_.at(same->second);
    if (is_still(*known.node, about)) {
      ++known.lookups;
      return same->second;
    }
  }
  const NodeNumber number = ++last_;
  const bool is_folder = S_ISDIR(about.st_mode);
  known_[number] = {std::make_shared<const Node>(Node{std::move(fd), number, is_folder}), 1, file};
  by_file_[file] = number;
  if (!is_folder) names_.push_back({parent, name});
  if (has_too_many()) grew_.notify_one();
  return number;
}

void SiteNodes::forget(NodeNumber number, uint64_t lookups) {
  std::shared_ptr<const Node> last;  // closed without the lock
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  if (found == known_.end() || number == kRootNumber) return;
  Known& known = found->second;
  known.lookups -= std::min(known.lookups, lookups);
  if (known.lookups > 0) return;
  last = known.node;
  if (!last->is_folder && going_ > 0) --going_;
  const auto file = by_file_.find(known.file);
  if (file != by_file_.end() && file->second == number) by_file_.erase(file);
  known_.erase(found);
}

bool SiteNodes::is_as_before(NodeNumber number, const struct stat& about) {
  const auto is_same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  if (found == known_.end()) return false;
  Known& known = found->second;
  const bool same = known.size == about.st_size && is_same(known.modified, about.st_mtim) &&
                    is_same(known.changed, about.st_ctim);
  known.modified = about.st_mtim;
  known.changed = about.st_ctim;
  known.size = about.st_size;
  return same;
}

bool SiteNodes::has_too_many() const {
  const size_t staying = known_.size() - std::min(known_.size(), going_);
  return !names_.empty() && (staying > files_max_ || names_.size() > 2 * files_max_);
}

std::optional<SiteNodes::Name> SiteNodes::wait_for_oldest(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!grew_.wait(lock, stop, [this] { return has_too_many(); })) return std::nullopt;
  Name out = std::move(names_.front());
  names_.pop_front();
  ++going_;
  return out;
}

void SiteNodes::was_gone() {
  const std::lock_guard lock(mutex_);
  if (going_ > 0) --going_;
}

size_t SiteNodes::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

}  // namespace devrun::site
