// What setup steps wrote, kept to be used again (docs/architecture.md, "Setup once"): files in
// STORE/setups.
//
//   FAMILY/JOB.reads   what the step asked of its tree (common/tree/reads.h), and those before it on
//                      whose results it began
//   FAMILY/JOB.json    the record; it is there last, and durable
//
// A record is a change set: `plain`, the tree without any setup step's writes, and `left`. As long as
// `plain` and another tree answer the same to all of `reads`, the step would do there what it did.
// Both trees are kept from collection while the record is there: for as long as snapshots are, after
// it was last used, and so many of a family. Any thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/job.h"
#include "common/tree/reads.h"

namespace devrun::storage {

struct SetupRecord {
  JobId job = 0;  // that ran it
  std::string volume;
  SetupOnce which;
  Digest plain;
  Digest left;
  Time used;
  bool operator==(const SetupRecord&) const = default;
};

class Setups {
 public:
  static constexpr size_t kFamilyMax = 16;
  static constexpr size_t kRecordsMax = 2000;

  explicit Setups(std::string folder) : folder_(std::move(folder)) {}

  Status keep(const SetupRecord& record, const tree::Reads& reads);
  // Of a family, newest job first. Records that cannot be read are left out.
  Result<std::vector<SetupRecord>> of_family(const Digest& family) const;
  Result<tree::Reads> reads(const SetupRecord& record) const;
  // It has served now.
  void use(SetupRecord record);
  // All that are kept, after those that have not been used for `age`, and too many, have gone.
  Result<std::vector<SetupRecord>> collect(Duration age, Time now);

 private:
  std::string path(const SetupRecord& record, const char* ending) const;
  Status write(const SetupRecord& record);
  Status remove(const SetupRecord& record);

  const std::string folder_;
  std::mutex mutex_;  // held while records are written or removed
};

// A step that began with what job `from` had left over the tree, and failed.
struct FailedSetup {
  AttemptKey run;
  JobId from = 0;
  Digest began_with;
};

// What was asked for with a tree, and what there is.
struct SetupWish {
  std::string volume;
  Digest plain;
  SetupOnce which;
  std::string home;        // the caller's
  bool hits_only = false;  // nothing is made for a step that has to run: cold is the answer then
  std::optional<FailedSetup> failed = {};  // cold is the answer then, too, unless there is a hit
};
struct SetupFound {
  SetupHow how = SetupHow::kCold;
  Digest tree;     // a hit: what the job begins with; else what the step is to begin with
  JobId from = 0;  // whose results are in it; 0: nobody's
  std::string why;
  // The one that failed asked for nothing that is otherwise in the tree: it would fail there as well.
  bool stands = false;
};

}  // namespace devrun::storage
