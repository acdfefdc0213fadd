// A backup of what the controller knows, taken while it goes on (proto/devrun/v1/operations.proto), and going on from one.
//
//   STATE/backup/{journal.db,history.db,accounts.json,enrolment.json}, STATE/backup/store/…    (storage/store_records.h)
//
// The journal comes first: what leaves it meanwhile for the history is then in both, which is as good. `devrun backup`
// takes the folder from there (it has that name only while it is whole), `devrun restore` puts the files into STATE and STORE, and STATE/restored.json says to the
// next controller that its journal is an earlier one (core/restore.h).
#pragma once

#include <mutex>
#include <string>

#include "common/base/result.h"
#include "controller/rpc/archive.h"
#include "controller/rpc/core_loop.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

class Backup {
 public:
  Backup(std::string state_folder, CoreLoop& core, Archive& archive, storage::Storage& storage)
      : state_folder_(std::move(state_folder)), core_(core), archive_(archive), storage_(storage) {}

  struct Taken {
    std::string folder;
    Time at;
    JobId next_job = 0;
    uint64_t volumes = 0;
  };
  // Blocks, for minutes perhaps; any thread but the core's. kConflict: another is being taken.
  Result<Taken> take();

 private:
  Status copy_all(const std::string& folder, Taken& taken);
  Status copy_journal(const std::string& path, Taken& taken);
  Status copy_history(const std::string& path);

  const std::string state_folder_;
  CoreLoop& core_;
  Archive& archive_;
  storage::Storage& storage_;
  std::mutex one_at_a_time_;
};

// If the journal is a backup: steps core's Restore and makes it durable. Once, however often it is killed meanwhile.
Status go_on_from_backup(const std::string& state_folder, const std::string& jobs_path,
                         State& state, Journal& journal, Time now);

}  // namespace devrun::controller
