// Writing into a live tree only where it still is what a snapshot says: how what a job wrote comes
// home while its developer goes on working, and never over an edit.
//
// A new file is made without a name and gets it only if nobody has taken it (RENAME_NOREPLACE). One
// that replaces another is exchanged with it (RENAME_EXCHANGE); then what it displaced is looked at:
// if that is not the file of the snapshot any more, or somebody has it open for writing (a lease
// tells), the two are exchanged back. So at every moment the name leads to one whole version, and
// the volume's own is never gone. One that is to go is moved aside and looked at in the same way.
//
// Where the name was taken meanwhile, an edited version that was moved aside is kept next to it, as
// NAME.devrun-kept.
//
// Aside means: under a name of ours in the same folder, made of the attempt and the path. Should we
// be killed between the two steps, `recover` finds it there by the same walk and puts it back or
// deletes it.
//
// Folders are made and removed one by one, a folder only if it is empty; one that is there already
// keeps its times. Paths are resolved beneath the root without following links (snapshot_folder.h).
// One thread; one writer for a live tree at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/diff.h"
#include "common/tree/tree.h"
#include "controller/storage/fault.h"
#include "controller/storage/tree_writer.h"

namespace devrun::storage {

struct HomeWrite {
  int root = -1;  // descriptor of the live tree's root; stays open
  tree::DirectoryReader& reader;
  const tree::Entry& now;     // the roots: a snapshot of the live tree,
  const tree::Entry& wanted;  // and what it should become
  Contents& contents;
  int64_t taken_ns = 0;  // of the snapshot: stamps near it prove nothing where clocks are coarse
  std::string tag;       // of whoever writes: names what is aside
  // Whether the bytes of a file must be on disk before it takes another's place: false where the
  // file system orders that itself.
  bool syncs = false;
  // Called with each path that is left as it is, since something else is there now; `whole`: with all
  // that is below it.
  std::function<void(const std::string& path, bool whole)> conflict;
  // Called with each entry that was written (an open file of it, or -1) or removed (null).
  std::function<void(const std::string& path, const tree::Entry* entry, int file)> done;
  // The files, that one among them, of which none is written unless all are as the snapshot has them and nobody writes to any; empty:
  // it is alone. Asked just before the first of them is written.
  std::function<std::vector<std::string>(const std::string& path)> together = {};
  FaultPoint fault = {};
};

// Ends with an error that is not about one entry alone (a full disk, a damaged body); everything
// that was not reached is as it was.
Status write_home(const HomeWrite& write);

// After a crash in write_home with the same trees and tag: what lies aside goes back, or goes.
Status recover_home(const HomeWrite& write);

}  // namespace devrun::storage
