// What the store knows of an attempt's change set: jobs/J/T.R.A/changes, a small JSON file that each
// round replaces durably; and jobs/J/T.R.A/applying, which is there only while entries of it are
// being written into a live tree (home.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/ids.h"
#include "controller/storage/home.h"

namespace devrun::storage {

// The folder of an attempt's records: JOBS/42/-.0.1.
std::string attempt_folder(const std::string& jobs, const AttemptKey& key);

Status write_change_set(const std::string& jobs, const ChangeSet& set);
// kNotFound: nothing of that attempt has come.
Result<ChangeSet> read_change_set(const std::string& jobs, const AttemptKey& key);
// What a setup step that failed asked of its tree (tree::encode_reads), beside its change set.
Status write_failed_reads(const std::string& jobs, const AttemptKey& key, std::string_view reads);
// kNotFound: nothing is known of it.
Result<std::string> read_failed_reads(const std::string& jobs, const AttemptKey& key);
// All of a job's, by task, rank and attempt.
Result<std::vector<AttemptKey>> change_sets_of(const std::string& jobs, JobId job);
// All there are.
Result<std::vector<AttemptKey>> all_change_sets(const std::string& jobs);

// Every attempt of which there is a folder, of the jobs that are `wanted`; and the highest number of a job that has one, 0 if
// none has.
struct AttemptsThere {
  std::vector<AttemptKey> attempts;
  JobId newest = 0;
};
Result<AttemptsThere> attempts_there(const std::string& jobs,
                                     const std::function<bool(JobId)>& wanted);

// A writing under way: what the live tree was and what it should become.
struct Applying {
  AttemptKey key;
  std::string volume;
  Digest now;
  Digest wanted;
  std::string tag;
  int64_t taken_ns = 0;
  bool operator==(const Applying&) const = default;
};
Status write_applying(const std::string& jobs, const Applying& applying);
Status remove_applying(const std::string& jobs, const AttemptKey& key);
// Those that a crash left.
Result<std::vector<Applying>> all_applying(const std::string& jobs);

}  // namespace devrun::storage
