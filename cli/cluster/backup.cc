#include "cli/cluster/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cli/cluster/backup_set.h"
#include "cli/cluster/say.h"
#include "cli/cluster/scratch_folder.h"
#include "common/base/units.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTarHint = "apt-get install -y tar";

bool is_secret(const fs::path& file) {
  return file.extension() == ".key" || file.extension() == ".pem";
}

Status copy_all(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  fs::copy(from, to, fs::copy_options::recursive, failed);
  if (failed) return errno_error(fmt::format("copy {}", from.string()), failed.value());
  return ok();
}

Status copy_if_there(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::is_regular_file(from, failed)) return ok();
  TRY(make_folders(to.parent_path().string(), 0700));
  TRY(copy_all(from, to));
  const bool is_open = from.extension() == ".crt" || from.extension() == ".yaml";
  if (::chmod(to.c_str(), is_open ? 0644 : 0600) != 0) {
    return errno_error("chmod " + to.string(), errno);
  }
  return ok();
}

// Without which a backup is none.
Status copy_needed(const fs::path& from, const fs::path& to) {
  TRY(copy_if_there(from, to));
  std::error_code failed;
  if (fs::exists(to, failed)) return ok();
  return Error{Code::kNotFound, fmt::format("{} is not there", from.string()),
               "devrun backup, again; then the controller's log"};
}

// One at a time: each begins by removing what one before it has left.
Result<UniqueFd> lock_backup(const Layout& layout) {
  const std::string path = layout.controller() + "/backup.lock";
  UniqueFd lock = TRY(open_file(path, O_RDWR | O_CREAT, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return errno_error("lock " + path, errno);
  return Error{Code::kConflict, "another devrun backup is under way",
               fmt::format("fuser -v {}   (who it is), and again when it is done", path)};
}

Status copy_pki(const Layout& layout, const fs::path& to, bool keys) {
  std::error_code failed;
  TRY(make_folders(to.string(), 0700));
  for (const auto& file : fs::directory_iterator(layout.pki(), failed)) {
    if (is_secret(file.path()) && !keys) continue;
    TRY(copy_if_there(file.path(), to / file.path().filename()));
  }
  if (failed) return errno_error("read " + layout.pki(), failed.value());
  return ok();
}

Status gather(const BackupOptions& options, const StagedBackup& staged, const fs::path& to) {
  const Layout& layout = options.place.layout;
  TRY(make_folders((to / "controller").string(), 0700));
  for (const char* file : {"journal.db", "history.db"}) {
    TRY(copy_needed(fs::path(staged.folder) / file, to / "controller" / file));
  }
  for (const char* file : {"accounts.json", "enrolment.json"}) {
    TRY(copy_if_there(fs::path(staged.folder) / file, to / "controller" / file));
  }
  TRY(copy_all(fs::path(staged.folder) / "store", to / "store"));
  if (options.keys) {
    TRY(copy_needed(layout.controller() + "/seal.key", to / "controller/seal.key"));
  }
  TRY(copy_pki(layout, to / "pki", options.keys));
  for (const std::string& file : {layout.record(), layout.client_config(), layout.policy()}) {
    TRY(copy_if_there(file, to / "cluster" / fs::path(file).filename()));
  }
  for (const std::string& file : options.place.configurations) {
    TRY(copy_if_there(file, to / place_of_configuration(file)));
  }
  return ok();
}

Status pack(const std::string& folder, const std::string& target) {
  const std::string half = target + ".partial";
  TRY(write_file_atomically(half, "", 0600));  // before tar would make it for all to read
  const std::string compress = target.ends_with(".gz")    ? "--gzip"
                               : target.ends_with(".zst") ? "--zstd"
                                                          : "--no-auto-compress";
  if (Status packed = run_checked({"tar", compress, "-C", folder, "-cf", half, "."}, kTarHint);
      !packed) {
    ::unlink(half.c_str());
    return packed;
  }
  const UniqueFd file = TRY(open_file(half, O_RDONLY));
  if (::fsync(file.get()) != 0) return errno_error("sync " + half, errno);
  if (::rename(half.c_str(), target.c_str()) != 0) return errno_error("rename to " + target, errno);
  return sync_folder(fs::path(target).parent_path().string());
}

void tell(const BackupOptions& options, const BackupManifest& manifest) {
  say("{}: {} files, {}; {} volumes, jobs up to {}", options.target, manifest.files.size(),
      format_size(static_cast<int64_t>(manifest.bytes)), manifest.volumes, manifest.next_job - 1);
  say("not in it: the files of volumes and the output of jobs, which lie in the store; and the "
      "audit log");
  const Layout& layout = options.place.layout;
  if (options.keys) {
    say("the cluster's keys are in it: whoever reads it is the cluster's authority. Keep it as "
        "safe as a "
        "root password");
  } else {
    say("the keys are not in it, and without them it is of little use. Try: keep {0}/ca.key, "
        "{0}/controller.key, {0}/admin.key and {1}/seal.key elsewhere, once; or devrun backup "
        "--keys",
        layout.pki(), layout.controller());
  }
}

Status back_up(const BackupOptions& options) {
  if (::geteuid() != 0)
    return Error{Code::kDenied, "a backup is taken by root", "sudo devrun backup"};
  std::error_code failed;
  if (fs::exists(options.target, failed)) {
    return Error{Code::kExists, fmt::format("{} is there already", options.target),
                 "devrun backup with another name, one with the day in it say"};
  }
  const std::string parent = fs::absolute(options.target, failed).parent_path().string();
  if (!fs::is_directory(parent, failed)) {
    return Error{Code::kNotFound, fmt::format("there is no folder {}", parent),
                 "mkdir -p " + parent};
  }
  std::error_code ignored;
  if (!fs::is_directory(options.place.layout.controller(), ignored)) {
    return Error{Code::kNotFound,
                 fmt::format("there is no {} here", options.place.layout.controller()),
                 "devrun backup on the controller's machine"};
  }
  const UniqueFd lock = TRY(lock_backup(options.place.layout));
  StagedBackup staged = TRY(options.stage());
  const std::string here = options.place.layout.controller() + "/backup";
  if (fs::weakly_canonical(staged.folder, failed) != fs::weakly_canonical(here, failed) ||
      !fs::exists(staged.folder + "/journal.db", failed)) {
    return Error{Code::kNotFound,
                 fmt::format("the controller has put it into {} of its machine, which is not here",
                             staged.folder),
                 "devrun backup on the controller's machine"};
  }
  // By another name: the controller's next one does not touch it.
  const std::string own = staged.folder + ".taken";
  fs::remove_all(own, failed);
  if (::rename(staged.folder.c_str(), own.c_str()) != 0) {
    return errno_error("rename to " + own, errno);
  }
  staged.folder = own;
  const ScratchFolder staging(staged.folder);
  const std::string folder = options.target + ".partial.d";
  fs::remove_all(folder, failed);
  const ScratchFolder half(folder);
  TRY(make_folders(folder, 0700));
  TRY(gather(options, staged, folder));
  BackupManifest manifest;
  manifest.taken = staged.taken;
  manifest.next_job = staged.next_job;
  manifest.volumes = staged.volumes;
  manifest.keys = options.keys;
  TRY(seal_backup(folder, manifest));
  if (is_archive_name(options.target)) {
    TRY(pack(folder, fs::absolute(options.target).string()));
  } else {
    if (::rename(folder.c_str(), options.target.c_str()) != 0) {
      return errno_error("rename to " + options.target, errno);
    }
    TRY(sync_folder(parent));
  }
  tell(options, manifest);
  return ok();
}

}  // namespace

bool is_archive_name(const std::string& path) {
  return path.ends_with(".tar") || path.ends_with(".tar.gz") || path.ends_with(".tgz") ||
         path.ends_with(".tar.zst");
}

int run_backup(const BackupOptions& options) {
  if (const Status done = back_up(options); !done) return say_error(done.error());
  return 0;
}

}  // namespace devrun::cluster
