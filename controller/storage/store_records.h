// The store's records, as a backup has them: all but the bytes of files and live trees.
//
//   volumes/V/{volume,newest,paths}.json, volumes/V/snapshots/log    and of removed volumes (removed.h)
//   export/trees, export/packs                                       what the snapshots consist of
//   setups, jobs/J/T.R.A/changes                                     what setup steps and attempts wrote
//
// They are copied in such an order that what a copy refers to is in it, too, and put back only where there is nothing: of
// what is in the store no byte is changed. So putting back may be repeated, and may be killed. Trees whose files were
// collected since, and what is of such trees (snapshots, change sets, setup steps), are not put back.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::storage {

// `volumes`, then what they refer to, of the store in the folder. Collecting must not run meanwhile.
Result<size_t> copy_records(const std::string& store, const std::string& folder);

struct PutRecords {
  uint64_t written = 0;
  uint64_t there = 0;         // already, with the same bytes
  uint64_t different = 0;     // already, with others; they stay
  uint64_t collected = 0;     // whose files the store has no more; they are not put back
  uint64_t volumes_gone = 0;  // of which the store has no live tree: nothing of them is put back
};
// Into a store that no controller uses. `tell` is called with a line for each record of a volume that is different, and
// each volume that is gone. Snapshots of a volume whose list comes back get numbers that none had since.
Result<PutRecords> put_records(const std::string& folder, const std::string& store,
                               const std::function<void(std::string_view)>& tell);

}  // namespace devrun::storage
