// Writing entries into a live tree while its users may change it, and may plant links to lead us
// out of it. Every path is resolved by the kernel beneath the root without following any link, each
// folder is held by a descriptor while something in it is changed, and attributes are set through a
// descriptor of the very object. A file appears whole: it is filled while it has no name, and takes
// the place of what had the name by one rename.
//
// Times of folders are set last, by finish(). One thread.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::storage {

// Where the bytes of regular files come from.
class Contents {
 public:
  virtual ~Contents() = default;
  // Fills the empty file `to` with the entry's bytes; `path` is the entry's.
  virtual Status fill(int to, const std::string& path, const tree::Entry& entry) = 0;
};

// Of bodies in the store's export: each is read and compared with its hash, then cloned where the
// file system can. kCorrupt names the file. With `trusted` nothing is compared: of bodies that were
// just written.
class BodyContents final : public Contents {
 public:
  explicit BodyContents(std::string export_path, bool trusted = false)
      : export_path_(std::move(export_path)), trusted_(trusted) {}
  Status fill(int to, const std::string& path, const tree::Entry& entry) override;

 private:
  const std::string export_path_;
  const bool trusted_;
};

// Of a folder of files whose entries are put at `to` ("" is the root); `root` stays open.
class FolderContents final : public Contents {
 public:
  FolderContents(int root, std::string to) : root_(root), to_(std::move(to)) {}
  Status fill(int to, const std::string& path, const tree::Entry& entry) override;

 private:
  const int root_;
  const std::string to_;
};

class TreeWriter {
 public:
  // `root` is a descriptor of the live tree's root and stays open.
  TreeWriter(int root, Contents& contents) : root_(root), contents_(contents) {}

  // Makes `path` what the entry says, whatever was there. A folder keeps what is in it. Names of
  // one inode that are put by one writer become hard links.
  Status put(const std::string& path, const tree::Entry& entry);
  // Of what is there as the same kind of thing; else as put.
  Status put_attributes(const std::string& path, const tree::Entry& entry);
  // With all that is below. What is not there is no error.
  Status remove(const std::string& path);
  // Makes missing folders on the way to `path`, owned by root.
  Status make_parents(const std::string& path);
  Status finish();

  uint64_t entries() const { return entries_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Place {
    UniqueFd folder;
    std::string name;
  };
  Result<Place> place_of(const std::string& path) const;
  Status put_folder(const Place& place, const std::string& path, const tree::Entry& entry);
  Status put_file(const Place& place, const std::string& path, const tree::Entry& entry);
  Status put_link(const Place& place, const std::string& first);
  Status put_other(const Place& place, const tree::Entry& entry);
  Status take_name(const Place& place, const std::string& temporary) const;
  Result<std::string> make_temporary(const std::function<int(const char* name)>& make);

  const int root_;
  Contents& contents_;
  std::unordered_map<std::string, std::string> first_names_;  // by lineage and inode
  std::vector<std::pair<std::string, tree::Entry>> folders_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
  uint64_t temporaries_ = 0;
};

// "/usr/lib/" → "usr/lib", "/" → "". kInvalid for "..", NUL, relative or overlong paths.
Result<std::string> path_in_volume(const std::string& path);

}  // namespace devrun::storage
