// `devrun backup` and `devrun restore`: what of a cluster is not in its store's files, out of a cluster that goes on, and
// into one of which it was lost (backup_set.h says what that is). On the controller's machine, by root. Blocking.
//
// Restoring writes nothing before all of the backup was read and compared with its digests, and over nothing that is there.
// The journal is written last: who is killed before that may call it again. Then the controller goes on from it
// (restored.json beside the journal, controller/rpc/backup.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/cluster/layout.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::cluster {

// Whose backup it is.
struct BackupPlace {
  Layout layout;
  std::string store;  // its folder; of `up`: seen in its namespace alone
  bool of_up = true;
  std::vector<std::string> configurations = {};  // in /etc/devrun
};

// What the controller has put together (operations.proto).
struct StagedBackup {
  std::string folder;
  Time taken;
  uint64_t next_job = 0;
  uint64_t volumes = 0;
};

struct BackupOptions {
  BackupPlace place;
  std::string target;  // a folder that is not there yet, or a file *.tar, *.tar.gz, *.tar.zst
  bool keys = false;
  std::function<Result<StagedBackup>()> stage;
};
int run_backup(const BackupOptions& options);

enum class RestorePart { kAll, kState, kStore };
struct RestoreOptions {
  BackupPlace place;
  std::string source;
  RestorePart part = RestorePart::kAll;
  bool check_only = false;
};
int run_restore(const RestoreOptions& options);

// Whether the name says that a backup is one file.
bool is_archive_name(const std::string& path);

}  // namespace devrun::cluster
