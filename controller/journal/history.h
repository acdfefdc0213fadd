// history.db: jobs that have ended, for as long as they are to be remembered. The ledger and the journal have what lives;
// what leaves them (core/archive.h) was made durable here before, so that a job is in one of the two at any moment, or,
// after a crash, in both, where the ledger's counts.
//
// SQLite in WAL mode, so that one writes while others read; each thread that uses it has a History of its own, which is
// one connection. What can be asked for stands in small rows with an index each (history_search.cc), the job itself
// beside them as its record (job_codec.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "controller/core/state.h"
#include "controller/journal/job_filter.h"
#include "controller/journal/sqlite.h"

namespace devrun::controller {

inline constexpr int64_t kHistorySchema = 1;

// A job on its way there.
struct HistoryEntry {
  Job job;
  // How lists show it, where that would cost much to make of the record; opaque here. Empty: of the record.
  std::string row;
};
// One as it is found. Valid until the visit goes on.
struct HistoryFound {
  JobId job = 0;
  std::string_view record;  // decode_job
  std::string_view row;
};
struct HistoryTrees {
  JobId job = 0;
  std::vector<Digest> trees;  // the first is its snapshot's, zero of a job on a live tree
};

class History {
 public:
  // Made if missing. kUnsupported if a newer devrun wrote it.
  static Result<std::unique_ptr<History>> open(const std::string& path);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Durable, all or none; those that are there already are replaced.
  Status put(std::span<const HistoryEntry> entries);
  Result<std::optional<Job>> find(JobId job);
  Result<std::optional<JobId>> find_request(const std::string& user, const std::string& request_id);
  // Newest first, until `take` returns false.
  Status visit(const JobFilter& filter, const std::function<bool(const HistoryFound&)>& take);
  // Of at most so many, those with the highest numbers, that ended since; of one volume if it is not empty.
  Result<std::vector<HistoryTrees>> trees(const std::string& volume, Time ended_since,
                                          size_t jobs_max);
  // Each job with its owner and when it ended.
  Status owners(const std::function<void(JobId job, std::string_view user, Time ended)>& take);
  // All of it as it is now, into a new file.
  Status copy_to(const std::string& path);
  // At most so many of those that ended before; how many went.
  Result<size_t> remove_ended_before(Time time, size_t jobs_max);

 private:
  struct Statements;
  explicit History(std::unique_ptr<Database> database);
  Status prepare();
  Status put_one(const HistoryEntry& entry);

  std::unique_ptr<Database> database_;
  std::unique_ptr<Statements> statements_;
};

}  // namespace devrun::controller
