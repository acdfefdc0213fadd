// The two versions of one entry of a live tree while one takes the other's place: the one that has the
// name, and the one that lies aside, under a name of ours in the same folder. What is decided by
// looking at them; home_writer.h says when.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::storage {

struct NamedPlace {
  UniqueFd folder;
  std::string name;
  std::string aside;  // in the same folder
};

// Of the entry itself, if it is a link; nothing if there is none.
std::optional<struct stat> look(int folder, const std::string& name);

// Whether that is the file of the snapshot, untouched. A rename stamps ctime, so that it counts only
// before one.
bool is_still(const struct stat& st, const tree::Entry& entry, bool renamed);

// Whether anybody has the file open for writing, mappings included.
bool has_writer(int folder, const std::string& name);

// Whether somebody has removed the folder while we hold it.
bool is_gone(int folder);

// Both versions change their names at once. As renameat2.
int exchange(const NamedPlace& place);

// What lies aside becomes NAME.devrun-kept: an edited version that cannot have its name back.
void keep_beside(const NamedPlace& place);
// Back to its name, or beside it.
void put_back(const NamedPlace& place);

// What lies aside was displaced and has been edited: back to its name, and our version of `wanted`,
// which is the inode `ours`, goes. Unless there, too, somebody has been at work in that moment: what
// they left is the newer.
void give_way(const NamedPlace& place, const tree::Entry& wanted, uint64_t ours);

}  // namespace devrun::storage
