// What the kernel knows of a served folder: each entry is an O_PATH descriptor under a number, until the kernel forgets it.
// Numbers are never used twice. Since the kernel forgets only when memory is short, and descriptors are few, the longest
// known files are taken from it again beyond a bound (wait_for_oldest); folders stay, somebody may stand in them.
//
// Any thread.
#pragma once

#include <sys/stat.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

#include "common/runtime/fd.h"

namespace devrun::site {

using NodeNumber = uint64_t;
inline constexpr NodeNumber kRootNumber = 1;

struct Node {
  UniqueFd fd;
  NodeNumber number = 0;
  bool is_folder = false;
};

class SiteNodes {
 public:
  SiteNodes(UniqueFd root, size_t files_max);

  // None: it has been forgotten, which no kernel asks for.
  std::shared_ptr<const Node> find(NodeNumber number) const;
  // The entry `name` of `parent`, looked up once more: the same as before if it is the same file.
  NodeNumber add(NodeNumber parent, const char* name, UniqueFd fd, const struct stat& about);
  void forget(NodeNumber number, uint64_t lookups);
  // Whether the file's bytes are those of the last time that this was asked, as its stamps and size tell.
  bool is_as_before(NodeNumber number, const struct stat& about);

  struct Name {
    NodeNumber parent;
    std::string name;
  };
  // Waits until there are too many files, and names the longest known; none: `stop`.
  std::optional<Name> wait_for_oldest(const std::stop_token& stop);
  // The kernel did not know that name any more.
  void was_gone();
  size_t size() const;

 private:
  struct Known {
    std::shared_ptr<const Node> node;
    uint64_t lookups = 0;
    std::pair<dev_t, ino_t> file;
    timespec modified{}, changed{};  // when is_as_before was asked
    off_t size = -1;
  };

  bool has_too_many() const;

  mutable std::mutex mutex_;
  std::condition_variable_any grew_;
  const size_t files_max_;
  NodeNumber last_ = kRootNumber;
  std::unordered_map<NodeNumber, Known> known_;
  std::map<std::pair<dev_t, ino_t>, NodeNumber> by_file_;
  size_t going_ = 0;  // taken from the kernel, which has not told yet that it has forgotten them
  std::deque<Name> names_;  // in the order in which they came; some are known no more
};

}  // namespace devrun::site
