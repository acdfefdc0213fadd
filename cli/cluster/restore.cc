// `devrun restore`: checks all, then the records of the store, then the state, its journal last (backup.h).
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/cluster/backup.h"
#include "cli/cluster/backup_set.h"
#include "cli/cluster/daemon.h"
#include "cli/cluster/lock.h"
#include "cli/cluster/machine.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/process.h"
#include "cli/cluster/record.h"
#include "cli/cluster/say.h"
#include "cli/cluster/scratch_folder.h"
#include "cli/cluster/store.h"
#include "common/base/units.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"

namespace devrun::cluster {

namespace fs = std::filesystem;

namespace {

constexpr std::array kDatabases = {"journal.db", "history.db"};
constexpr std::array kRecords = {"accounts.json", "enrolment.json", "seal.key"};

// One file of the backup and where it goes.
struct Putting {
  std::string from, to;
  uint32_t mode = 0600;
};

struct Plan {
  std::vector<Putting>
      files;  // in the order in which they are written; what is there already is not among them
  bool state = false;
  bool store = false;
};

// Says that the journal beside it is a backup's (controller/rpc/backup.h).
std::string note_path(const Layout& layout) {
  return layout.controller() + "/restored.json";
}

std::string unpacked_folder(const Layout& layout) {
  return layout.folder + "/restore.unpacked";
}

// Its controller, started by whomever.
Status refuse_if_running(const Layout& layout) {
  for (const pid_t pid : all_pids()) {
    if (program_name(pid) != "devrun-controller") continue;
    const std::vector<std::string> words = command_line(pid);
    if (std::ranges::find(words, layout.controller()) == words.end()) continue;
    return Error{Code::kConflict, fmt::format("its controller runs (process {})", pid),
                 "devrun down, or systemctl stop devrun-controller"};
  }
  return ok();
}

// A restore that was killed has left the note (write_state), which the controller takes away when it begins: so what is
// beside it is of a restore, and a history without a journal was never used.
Status refuse_databases(const Layout& layout, const std::string& source) {
  std::error_code failed;
  const bool unfinished = fs::exists(note_path(layout), failed);
  const bool has_journal = fs::exists(layout.controller() + "/journal.db", failed);
  for (const char* file : kDatabases) {
    for (const char* rest : {"", "-wal", "-journal"}) {
      const std::string there = fmt::format("{}/{}{}", layout.controller(), file, rest);
      if (!fs::exists(there, failed)) continue;
      const std::string kept = fmt::format("{}/controller/{}", source, file);
      const bool is_file = *rest == '\0';
      if (unfinished && is_file && (!has_journal || have_same_bytes(kept, there))) continue;
      return Error{Code::kExists, fmt::format("{} is there: nothing is written over it", there),
                   fmt::format("mv {0} {0}.old", layout.controller())};
    }
  }
  return ok();
}

Status plan_state(const BackupPlace& place, const std::string& source,
                  const BackupManifest& manifest, Plan& plan) {
  const Layout& layout = place.layout;
  const auto in_backup = [&](const std::string& path) { return manifest.files.contains(path); };
  std::error_code failed;
  TRY(refuse_databases(layout, source));
  const auto add = [&](const std::string& path, const std::string& to,
                       bool must_be_same) -> Status {
    const std::string from = source + "/" + path;
    if (!fs::exists(to, failed)) {
      const bool open = path.ends_with(".crt") || !configuration_at(path).empty();
      plan.files.push_back({from, to, open ? 0644u : 0600u});
    } else if (must_be_same && !have_same_bytes(from, to)) {
      return Error{
          Code::kExists,
          fmt::format("{} is there and is not as in the backup: nothing is written over it", to),
          fmt::format("mv {0} {0}.old", to)};
    }
    return ok();
  };
  for (const auto& [path, digest] : manifest.files) {
    const std::string name = fs::path(path).filename().string();
    if (path.starts_with("pki/")) {
      TRY(add(path, layout.pki() + "/" + name, name.starts_with("ca.")));
    } else if (path.starts_with("cluster/")) {
      TRY(add(path, layout.folder + "/" + name, false));
    } else if (const std::string file = configuration_at(path); !file.empty()) {
      TRY(add(path, file, false));
    }
  }
  for (const char* file : kRecords) {
    const std::string path = fmt::format("controller/{}", file);
    if (in_backup(path)) TRY(add(path, layout.folder + "/" + path, true));
  }
  for (const std::string& key : {layout.pki() + "/ca.key", layout.controller() + "/seal.key"}) {
    const std::string path = fs::path(key).lexically_relative(layout.folder).string();
    if (in_backup(path) || fs::exists(key, failed)) continue;
    return Error{
        Code::kNotFound,
        fmt::format("{} is neither here nor in the backup, which was taken without --keys", key),
        fmt::format("bring it from where you keep the keys: cp SAFE/{} {}",
                    fs::path(key).filename().string(), key)};
  }
  // The journal last: where it is, all is.
  for (const char* file : {"history.db", "journal.db"}) {
    plan.files.push_back({fmt::format("{}/controller/{}", source, file),
                          fmt::format("{}/{}", layout.controller(), file)});
  }
  plan.state = true;
  return ok();
}

// Of `up`: what its record says, be it that in the backup.
Result<std::optional<Record>> record_of(const Layout& layout, const std::string& source) {
  std::optional<Record> record = TRY(load_record(layout));
  if (record) return record;
  const Result<std::string> text = read_file(source + "/cluster/cluster.json");
  if (!text) return record;
  return std::optional<Record>(TRY(parse_record(*text)));
}

Status plan_store(const BackupPlace& place, const std::string& source, Plan& plan) {
  std::error_code failed;
  const Layout& layout = place.layout;
  const std::optional<Record> record = place.of_up ? TRY(record_of(layout, source)) : std::nullopt;
  const bool is_image = record && record->store_is_image;
  const std::string needed = is_image ? layout.image() : place.store;
  if (!fs::exists(needed, failed)) {
    return Error{
        Code::kNotFound,
        fmt::format("the store is gone: there is no {}, and the files of volumes are in no backup",
                    needed),
        "bring it back; or devrun restore --only state, for users, history and settings alone"};
  }
  plan.store = true;
  return ok();
}

Status write_state(const Layout& layout, const BackupManifest& manifest, const Plan& plan) {
  TRY(make_folders(layout.controller(), 0700));
  const nlohmann::ordered_json note = {{"backup_us", manifest.taken.us}};
  TRY(write_file_durably(note_path(layout), note.dump() + "\n", 0600));
  for (const Putting& file : plan.files) {
    TRY(make_folders(fs::path(file.to).parent_path().string(), 0755));
    TRY(copy_durably(file.from, file.to, file.mode));
  }
  return ok();
}

Status put_records(const std::string& source, const std::string& store) {
  const std::string program = TRY(find_program("devrun-controller"));
  const ChildResult put =
      TRY(run_child({program, "put-records", "--store", store, "--from", source + "/store"}));
  std::string_view said = put.out;
  while (!said.empty()) {
    const size_t end = std::min(said.find('\n'), said.size());
    if (put.exit_status == 0) say("{}", said.substr(0, end));
    said.remove_prefix(std::min(end + 1, said.size()));
  }
  if (put.exit_status == 0) return ok();
  return Error{Code::kIo, "the store's records: " + put.out.substr(0, put.out.find('\n')), {}};
}

// The store of `up` is seen in a namespace that its keeper holds.
Status write_store(const BackupPlace& place, const std::string& source) {
  if (!place.of_up) return put_records(source, place.store);
  const Layout& layout = place.layout;
  const Programs programs = TRY(find_programs());
  const std::optional<Record> record = TRY(record_of(layout, source));
  TRY(make_folders(layout.store(), 0755));
  TRY(make_folders(layout.run(), 0700));
  const Daemon keeper = storage_keeper(layout, programs);
  const bool was_there = is_running(layout, keeper.name);
  TRY(ensure_started(layout, keeper));
  TRY(await_ready(layout, keeper));
  const UniqueFd space = TRY(mount_namespace_of(layout.socket(keeper.name)));
  TRY(mount_store(layout, record && record->store_is_image, space.get()));
  const Status put =
      run_in_namespace(space.get(), [&] { return put_records(source, layout.store()); });
  if (!was_there) TRY(ensure_ended(layout, keeper.name));
  return put;
}

void tell_end(const RestoreOptions& options, const BackupManifest& manifest, const Plan& plan) {
  const bool up = options.place.of_up;
  if (plan.state) {
    say("jobs, users and settings are as of the backup, up to job {}; what was decided since is "
        "lost, and "
        "what has begun since is ended when its node comes",
        manifest.next_job - 1);
  }
  say("done. Try: {}, then devrun nodes", up ? "devrun up --store " + options.place.layout.folder
                                             : "systemctl start devrun-controller devrun-storage");
}

Status bring_back(const RestoreOptions& options) {
  if (::geteuid() != 0) {
    return Error{Code::kDenied, "a cluster is restored by root", "sudo devrun restore"};
  }
  const Layout& layout = options.place.layout;
  std::error_code failed;
  if (!fs::exists(options.source, failed)) {
    return Error{Code::kNotFound, fmt::format("there is no backup {}", options.source), "ls"};
  }
  TRY(make_folders(layout.folder, 0755));
  const UniqueFd lock = TRY(lock_cluster(layout));
  std::string source = fs::absolute(options.source, failed).string();
  const std::string unpacked = unpacked_folder(layout);
  fs::remove_all(unpacked, failed);
  const ScratchFolder gone_at_the_end(unpacked);
  if (!fs::is_directory(source, failed)) {
    TRY(make_folders(unpacked, 0700));
    TRY(run_checked({"tar", "-C", unpacked, "-xf", source}, "apt-get install -y tar"));
    source = unpacked;
  }
  const BackupManifest manifest = TRY(check_backup(source));
  say("the backup is whole: {} files, {}, by devrun {}", manifest.files.size(),
      format_size(static_cast<int64_t>(manifest.bytes)), manifest.version);
  if (options.check_only) return ok();
  TRY(refuse_if_running(layout));
  Plan plan;
  if (options.part != RestorePart::kStore) TRY(plan_state(options.place, source, manifest, plan));
  if (options.part != RestorePart::kState) TRY(plan_store(options.place, source, plan));
  // The store first: where the journal is, all is.
  if (plan.store) TRY(write_store(options.place, source));
  if (plan.state) TRY(write_state(layout, manifest, plan));
  tell_end(options, manifest, plan);
  return ok();
}

}  // namespace

int run_restore(const RestoreOptions& options) {
  if (const Status done = bring_back(options); !done) return say_error(done.error());
  return 0;
}

}  // namespace devrun::cluster
