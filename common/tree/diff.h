// What differs between two trees. Only folders whose ids differ are read, so the cost follows the
// difference and not the trees; the caller hears of one difference after another and nothing is
// gathered.
//
// Two entries are the same if people could not tell them apart: inode, ctime and lineage, which are
// new in every copy, are left out. Pure, but for what the readers do.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::tree {

// Where directory objects come from. Blocking; one thread.
class DirectoryReader {
 public:
  virtual ~DirectoryReader() = default;
  virtual Result<Directory> read(const Digest& id) = 0;
};

// In what two entries of one name differ.
struct Changes {
  bool type = false;
  bool content = false;  // bytes of a file, target of a link, number of a device
  bool mode = false;
  bool owner = false;
  bool mtime = false;
  bool xattrs = false;
  bool links = false;  // has more or fewer names than before
  bool any() const { return type || content || mode || owner || mtime || xattrs || links; }
  bool operator==(const Changes&) const = default;
};
Changes compare(const Entry& before, const Entry& after);

struct Difference {
  std::string path;               // "usr/bin/x"; "" is the root itself
  const Entry* before = nullptr;  // null: was not there
  const Entry* after = nullptr;   // null: is not there
  Changes changes;                // of one that was and is there
};

struct TreeRef {
  DirectoryReader& reader;
  const Entry& root;  // `directory` is the tree's id
};

// Tells each difference to `sink`, folders before what is in them and names in order, and what is
// in a created or deleted folder entry by entry. With `only`, paths other than these and those
// below them are left out, but for folders on the way that
// were not there. Ends at once with an error of a reader or the sink.
Status diff_trees(const TreeRef& before, const TreeRef& after, std::span<const std::string> only,
                  const std::function<Status(const Difference&)>& sink);

// The entry at `path` ("" is the root). Links on the way are not followed: kNotFound, or kInvalid
// where something on the way is no folder; the message names it.
Result<Entry> find_entry(const TreeRef& tree, const std::string& path);

}  // namespace devrun::tree
