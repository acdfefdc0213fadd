// `devrun backup` and `devrun restore`: what they do is in cli/cluster/backup.h.
#include "cli/cluster/backup.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/client/operations.h"
#include "cli/commands/command.h"
#include "cli/commands/connect.h"
#include "cli/commands/own_target.h"
#include "cli/commands/up.h"
#include "cli/start/controller_config.h"

namespace devrun::cli {

namespace {

constexpr Option kClusterOption{.name = "store",
                                .value = "DIR",
                                .meaning = "of the cluster of `devrun up` that is kept there",
                                .fallback =
                                    "that of $DEVRUN_CONFIG, else the one of "
                                    "/etc/devrun/controller.yaml, else /var/lib/devrun",
                                .example = "--store /data/devrun"};
constexpr Option kBackupOptions[] = {
    {.name = "keys",
     .meaning =
         "with the cluster's keys, with which whoever reads it can make certificates and read the "
         "environments of jobs"},
    kClusterOption,
    kHelpOption,
};
constexpr Option kRestoreOptions[] = {
    {.name = "only",
     .value = "PART",
     .meaning = "state: jobs, users, keys and settings; store: the lists of volumes and snapshots",
     .fallback = "both",
     .example = "--only store"},
    {.name = "check", .meaning = "only read all of the backup and say whether it is whole"},
    kClusterOption,
    kHelpOption,
};
constexpr Example kBackupExamples[] = {
    {"devrun backup /backup/devrun-monday", "a folder, while jobs run"},
    {"devrun backup --keys /backup/devrun.tar.zst", "one file, with the keys"}};
constexpr Example kRestoreExamples[] = {
    {"devrun restore --check /backup/devrun.tar.zst", "can it be used?"},
    {"devrun restore /backup/devrun-monday", "after the controller's disk was lost"}};

Result<cluster::BackupPlace> place_of(const Arguments& arguments, const Context& context) {
  cluster::BackupPlace out;
  std::error_code failed;
  std::string folder = arguments.value("store").value_or("");
  if (folder.empty()) folder = folder_in_use(context);
  const bool of_services =
      folder.empty() && std::filesystem::exists(start::kControllerConfigFile, failed);
  if (!of_services) {
    out.layout = TRY(cluster::layout_of(folder));
    out.store = out.layout.store();
    return out;
  }
  const start::ControllerConfig config =
      TRY(start::read_controller_config(start::kControllerConfigFile));
  out.layout = TRY(cluster::layout_of(config.state));
  out.store = config.store;
  out.of_up = false;
  out.configurations = {start::kControllerConfigFile, start::kNodeConfigFile,
                        start::kSlurmConfigFile};
  if (!config.policy.empty()) out.configurations.push_back(config.policy);
  return out;
}

Result<std::string> one_path(const Arguments& arguments, const char* example) {
  if (arguments.has_dashes || arguments.words.size() != 1 || arguments.words[0].empty()) {
    return Error{Code::kInvalid, "expected one folder or file", example};
  }
  return arguments.words[0];
}

Result<cluster::StagedBackup> stage(const Context& context) {
  const Target target = TRY(target_of(context));
  const TakenBackup taken = TRY(take_backup(target));
  return cluster::StagedBackup{taken.folder, taken.taken, taken.next_job, taken.volumes};
}

Result<Action> parse_backup(const Arguments& arguments) {
  const std::string target = TRY(one_path(arguments, "devrun backup /backup/devrun-monday"));
  return Action([=](Context& context) -> Result<int> {
    TRY(only_on_the_host(context, "backup"));
    cluster::BackupOptions options;
    options.place = TRY(place_of(arguments, context));
    options.target = target;
    options.keys = arguments.has("keys");
    options.stage = [&context] { return stage(context); };
    return cluster::run_backup(options);
  });
}

Result<Action> parse_restore(const Arguments& arguments) {
  cluster::RestoreOptions options;
  options.source = TRY(one_path(arguments, "devrun restore /backup/devrun-monday"));
  options.check_only = arguments.has("check");
  if (const auto only = arguments.value("only")) {
    if (*only != "state" && *only != "store") {
      return Error{
          Code::kInvalid, fmt::format("--only: expected state or store, not '{}'", *only), {}};
    }
    options.part = *only == "state" ? cluster::RestorePart::kState : cluster::RestorePart::kStore;
  }
  return Action([=](Context& context) mutable -> Result<int> {
    TRY(only_on_the_host(context, "restore"));
    options.place = TRY(place_of(arguments, context));
    return cluster::run_restore(options);
  });
}

}  // namespace

Command backup_command() {
  return {
      {.name = "backup",
       .usage = {"backup [--keys] [--store DIR] DIR|FILE.tar[.zst|.gz]"},
       .purpose = "keep a copy of what the controller knows (root, on its machine)",
       .text = "Jobs, their history, users, rights, settings, and the lists of volumes and "
               "snapshots, while\njobs run. Not the files of volumes and not the output of jobs: "
               "these lie in the store.",
       .options = kBackupOptions,
       .examples = kBackupExamples},
      parse_backup};
}

Command restore_command() {
  return {
      {.name = "restore",
       .usage = {"restore [--only state|store] [--check] [--store DIR] DIR|FILE"},
       .purpose = "bring back what was lost, from a backup (root, on the controller's machine)",
       .text = "Reads and compares all of the backup before it writes anything, and writes over "
               "nothing that is\nthere. The controller must not run. (Of volumes: devrun snapshot "
               "restore, devrun volume restore.)",
       .options = kRestoreOptions,
       .examples = kRestoreExamples},
      parse_restore};
}

}  // namespace devrun::cli
