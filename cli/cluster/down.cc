// `devrun down`: ends all of a cluster, checks that nothing is left, and with --purge removes its
// folder too.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "cli/cluster/client_config.h"
#include "cli/cluster/cluster.h"
#include "cli/cluster/ending.h"
#include "cli/cluster/lock.h"
#include "cli/cluster/record.h"
#include "cli/cluster/say.h"
#include "common/runtime/child.h"

namespace devrun::cluster {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kSubvolumeInode = 256;  // of every btrfs subvolume's root

bool is_subvolume(const fs::path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == kSubvolumeInode;
}

// Where the store is a folder on btrfs, its volumes are subvolumes, which rm cannot remove.
Status delete_subvolumes(const fs::path& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.is_symlink(failed) || !entry.is_directory(failed)) continue;
    TRY(delete_subvolumes(entry.path()));
    if (!is_subvolume(entry.path())) continue;
    TRY(run_checked({"btrfs", "subvolume", "delete", entry.path().string()},
                    "apt-get install -y btrfs-progs"));
  }
  return ok();
}

Status confirm_purge(const Layout& layout) {
  if (::isatty(STDIN_FILENO) == 0) {
    return Error{Code::kInvalid,
                 fmt::format("--purge removes every volume and job of {}", layout.folder),
                 "devrun down --purge --yes"};
  }
  fmt::print(stderr,
             "devrun: this removes every volume and job of {}.\n"
             "devrun: Type the folder's name to go on: ",
             layout.folder);
  std::string typed;
  std::getline(std::cin, typed);
  if (typed == layout.folder) return ok();
  return Error{Code::kCancelled, "not the same name: nothing was removed or stopped", {}};
}

// Only what a cluster consists of: other things that lie there are not ours.
Status remove_folder(const Layout& layout, const Record& record) {
  if (!record.store_is_image) TRY(delete_subvolumes(layout.store()));
  for (const std::string& path :
       {layout.store(), layout.image(), layout.image() + ".new", layout.folder + "/nodes",
        layout.shared(), layout.controller(), layout.pki(), layout.client_config(), layout.lock(),
        layout.record()}) {
    std::error_code failed;
    fs::remove_all(path, failed);
    if (failed) {
      return Error{Code::kIo, fmt::format("remove {}: {}", path, failed.message()),
                   "devrun down --purge"};
    }
  }
  unlink_client_config(layout);
  std::error_code left_something;
  fs::remove(layout.folder, left_something);
  return ok();
}

Status bring_down(const DownOptions& options, const Layout& layout) {
  std::error_code failed;
  const std::optional<Record> record = TRY(load_record(layout));
  if (!record && !fs::exists(layout.run(), failed)) {
    return Error{Code::kNotFound, fmt::format("there is no cluster in {}", layout.folder),
                 "devrun down --store DIR, with the folder that devrun up was given"};
  }
  if (::geteuid() != 0) {
    return Error{Code::kDenied, "a cluster is ended by root", "sudo devrun down"};
  }
  if (options.purge && !options.yes) TRY(confirm_purge(layout));
  const UniqueFd lock = TRY(lock_cluster(layout));
  const Ended ended = TRY(end_members(layout));
  TRY(verify_nothing_left(layout));
  fs::remove_all(layout.run(), failed);
  if (ended.attempts > 0) {
    say("ended {} running job{} and dev containers", ended.attempts,
        ended.attempts == 1 ? "" : "s");
  }
  if (!options.purge) {
    say("down: {} processes ended, nothing left. State is kept in {}. Try: devrun up",
        ended.processes, layout.folder);
    return ok();
  }
  say("removing {}: of many files this takes minutes", layout.folder);
  TRY(remove_folder(layout, record.value_or(Record{})));
  say("down, and {} is removed", layout.folder);
  return ok();
}

}  // namespace

int run_down(const DownOptions& options) {
  const Result<Layout> layout = layout_of(options.folder);
  if (!layout) return say_error(layout.error());
  if (const Status done = bring_down(options, *layout); !done) return say_error(done.error());
  return 0;
}

}  // namespace devrun::cluster
