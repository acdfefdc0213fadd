// What a program asked of a tree: the names that it looked for, found or not, folder by folder, and
// the folders whose names it listed. devrun-fs notes them while a setup step runs; as long as the
// answers are the same in another tree, so is what the program would do (docs/architecture.md,
// "Setup once").
//
// What counts as the same answer:
//
//   a name that was looked for   there or not there on both sides; of a file everything that can be
//                                seen of it: bytes, size, mode, owner, time of modification, names,
//                                extended attributes. Nobody says whether it was opened or merely
//                                looked at, so this is more than was needed, never less
//   a folder on the way          its mode, owner and extended attributes; not its times, which
//                                change whenever an editor saves a file in it
//   a folder that was listed     the names in it and their types
//
// Inode numbers and times of change are no answers: every copy has others. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tree/diff.h"

namespace devrun::tree {

inline constexpr size_t kReadNamesMax = 400'000;
inline constexpr size_t kReadsBytesMax = 32 << 20;  // encoded

struct Reads {
  struct Folder {
    std::set<std::string> names;  // that were looked for
    bool listed = false;
    bool operator==(const Folder&) const = default;
  };
  // By path, without a slash at the front; "" is the root. A folder that is here was looked for in
  // the one above it, which is here, too.
  std::map<std::string, Folder> folders;
  bool operator==(const Reads&) const = default;
};

size_t count_names(const Reads& reads);
void merge_reads(Reads& into, const Reads& more);

std::string encode_reads(const Reads& reads);
// kCorrupt: these bytes are none, or are cut off.
Result<Reads> decode_reads(std::string_view bytes);

struct ChangedRead {
  enum class How : uint8_t {
    kChanged = 1,
    kAdded = 2,
    kDeleted = 3,
    kTouched = 4,
    // The first name that differs in a folder that was listed, without having been looked for:
    kCame = 5,
    kWent = 6,
    kOtherType = 7,
  };
  std::string path;  // "root/proj/requirements.txt"
  How how = How::kChanged;
  bool operator==(const ChangedRead&) const = default;
};
std::string_view changed_read_word(ChangedRead::How how);  // "changed" …

// Which of the answers differ between two trees, in the order of their paths, at most `max`; none:
// whatever asked only this finds the second tree like the first. Only folders that differ are read.
// Errors: those of the reader.
enum class Spared : uint8_t {
  kNo,
  kSame,     // counts as the same, with all that is in it
  kAsEmpty,  // a folder that is missing on one side counts as an empty one there
};
Result<std::vector<ChangedRead>> changed_reads(
    DirectoryReader& reader, const Entry& before, const Entry& now, const Reads& reads, size_t max,
    const std::function<Spared(const std::string& path, const Entry* before, const Entry* now)>&
        spared = {});

}  // namespace devrun::tree
