// What a job writes, as plain values, and the rounds that bring it to a storage: an upper without a
// kernel. Paths are relative to the root ("root/proj/x").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/storage/home.h"
#include "controller/storage/storage.h"

namespace devrun::storage {

class UpperModel {
 public:
  void write(const std::string& path, const std::string& text, uint32_t mode = 0644);
  void copy_up(const std::string& path) { items_.at(path).item.copied_up = true; }
  void give_attribute(const std::string& path, const std::string& value) {
    items_.at(path).item.entry.xattrs = {{"user.test", value}};
  }
  void link(const std::string& path, const std::string& target);
  void remove(const std::string& path);  // a whiteout
  void make_folder(const std::string& path, bool opaque = false);
  void forget(const std::string& path);  // as if the job had never touched it
  bool is_whiteout(const std::string& path) const;
  bool has_below(const std::string& path) const;
  void drop_deletions();  // what a partial round does not tell
  bool empty() const { return items_.empty(); }

  // Folders before what is in them, with those on the way.
  std::vector<UpperItem> items() const;
  // The bytes of the file that is the `entry`th of items().
  const std::string& text_of(const std::vector<UpperItem>& items, uint64_t entry) const;

 private:
  struct Item {
    UpperItem item;
    std::string text;
  };
  std::map<std::string, Item> items_;
  uint64_t inode_ = 1000;
};

inline const PathRules kHomeRules = {{"/root", {}, PathKind::kHome},
                                     {"/root", ".git", PathKind::kKept}};

// One round, whole.
Result<HomeSummary> bring(Storage& storage, const HomeStart& start, const UpperModel& upper);

}  // namespace devrun::storage
