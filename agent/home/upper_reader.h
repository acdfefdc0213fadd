// An attempt's upper, entry after entry, as the controller wants to hear it (HomeEntry): each folder before what is in it, names in
// byte order, nothing of it held in memory but the names of the folders on the way. May be read while the job writes: what goes
// meanwhile is left out.
//
// Not told: what is of no kind that leaves the node (gone, node, live, site), what is the sandbox's own
// (agent/sandbox/own_places.h), sockets, and folders that are there only because something below them was copied up.
// Descriptors alone lead into it, so that no link of a user's is followed; the depth costs no stack and few descriptors.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/home/folder_names.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/path_rules.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::home {

struct UpperView {
  std::string upper;        // the folder
  std::string lower;        // the tree below, to know new folders by; empty: all count as new
  PathRules rules;          // which of it is told
  std::string caller_home;  // "/root"
};

struct UpperItem {
  std::string path;   // "root/proj/x"; "" is the root, told first if anything is
  tree::Entry entry;  // without name, body and object; `links`: names of it that are told
  bool whiteout = false;
  bool opaque = false;
  std::string redirect;
  bool metacopy = false;
  bool copied_up = false;  // the lower file of its path, and that has several names
  bool grows = false;      // the first entry.size bytes are told of a file that may have more
};

// A file or link that may be told.
struct Seen {
  std::string_view path;  // "root/proj/x"
  PathKind kind;
  const struct stat& st;
  int folder;  // that it is in
  const char* name;
};

struct Choice {
  bool told = true;
  std::optional<uint64_t> size = {};  // told with this one: the beginning of a file that grows
};

// A round while the program runs: only regular files and symbolic links, and of these what `choose` says, with the folders on
// the way; nothing below what hides or moves parts of the lower tree, since half of such a change is none, and nothing where
// no path of kind home is.
using Choose = std::function<Choice(const Seen&)>;

// What the calling thread has used of a CPU.
Duration thread_cpu();

class UpperReader {
 public:
  // `choose` empty: all of it. kNotFound: there is no upper.
  static Result<std::unique_ptr<UpperReader>> open(UpperView view, Choose choose = {});

  // One thread. None: that was all.
  Result<std::optional<UpperItem>> next();

  int root() const { return root_.get(); }
  uint64_t looked_at() const { return looked_at_; }  // entries
  Duration spent() const { return spent_; }          // of a CPU, in next(), until now

 private:
  struct Level {
    UniqueFd fd;  // closed while far below
    dev_t device = 0;
    ino_t inode = 0;
    FolderNames names;
    size_t at = 0;
    size_t path_bytes = 0;  // of path_ for this folder
    std::string below;      // "/root/proj": the lower folder that it lies over, unless hides_below
    bool hides_below = false;  // nothing of the lower tree is seen here
    PathKind kind = PathKind::kKept;
    std::optional<UpperItem> pending;  // not told yet
  };

  UpperReader(UpperView view, Choose choose) : view_(std::move(view)), choose_(std::move(choose)) {}

  Status begin();
  Status step();
  Status visit(const char* name);
  Status visit_folder(const char* name, const struct stat& st, PathKind kind);
  Status visit_other(const char* name, const struct stat& st, PathKind kind);
  Status enter(Level level, UniqueFd fd, const struct stat& st, Marks marks);
  Status leave();
  Status reopen(Level& level, int child);
  Result<bool> is_as_below(const Level& level) const;
  bool in_lower(const std::string& path) const;
  bool leads_home(const std::string& folder) const;
  void tell(UpperItem item);
  Status tell_other(const char* name, const struct stat& st, const Choice& choice);
  Result<uint32_t> names_of(const struct stat& st);
  std::string told_path() const { return path_.empty() ? path_ : path_.substr(1); }

  const UpperView view_;
  const Choose choose_;
  UniqueFd root_, lower_;
  std::vector<Level> levels_;
  std::string path_;                          // "/root/proj"; "" is the root
  std::set<std::string, std::less<>> named_;  // last parts of what rules speak of
  std::deque<UpperItem> ready_;
  uint64_t looked_at_ = 0;
  Duration spent_;
  // Names that are told of files with several; counted when the first such file comes, by a reader of its own.
  std::map<ino_t, uint32_t> names_;
  bool counted_ = false;
  bool counts_names_ = false;
};

}  // namespace devrun::home
