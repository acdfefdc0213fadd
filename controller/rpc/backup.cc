#include "controller/rpc/backup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/base/parse_number.h"
#include "common/runtime/file.h"
#include "controller/core/apply.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/known_nodes.h"
#include "controller/storage/change_record.h"

namespace devrun::controller {

namespace fs = std::filesystem;

namespace {

// Some milliseconds, for which all else waits.
constexpr int kPagesAtOnce = 500;
// Numbers of jobs that were given since the backup and of which the store has nothing: so many at least are skipped, up to a
// round one.
constexpr JobId kNumbersSkipped = 100'000;
constexpr JobId kRound = 1'000'000;

// In the store, of which no backup has a copy: the first number after the last going back. Going back to the same backup once
// more skips those that were given in between.
std::string numbers_file(const std::string& jobs_path) {
  return (fs::path(jobs_path).parent_path() / "first-job").string();
}

Result<JobId> noted_number(const std::string& jobs_path) {
  const Result<std::string> text = read_file(numbers_file(jobs_path), 64);
  if (!text && text.error().code == Code::kNotFound) return JobId{0};
  if (!text) return text.error();
  if (const auto number = parse_number<JobId>(text->substr(0, text->find('\n')))) return *number;
  return Error{Code::kCorrupt, numbers_file(jobs_path) + " is damaged",
               "write a number into it that is higher than any job's that people have seen"};
}

Status copy_file_if_there(const std::string& from, const std::string& to) {
  Result<std::string> bytes = read_file(from);
  if (!bytes && bytes.error().code == Code::kNotFound) return ok();
  if (!bytes) return bytes.error();
  return write_file_atomically(to, *bytes, 0600);
}

}  // namespace

Status Backup::copy_journal(const std::string& path, Taken& taken) {
  // Made and ended on the core's thread, as the journal's connection is.
  auto copy = std::make_shared<std::unique_ptr<DatabaseCopy>>();
  for (bool done = false; !done;) {
    auto answer = std::make_shared<std::promise<Result<bool>>>();
    std::future<Result<bool>> stepped = answer->get_future();
    core_.with_journal([=, &taken](const State& state, Journal& journal) {
      const auto step = [&]() -> Result<bool> {
        if (!*copy) *copy = TRY(journal.begin_copy(path));
        const bool all = TRY((*copy)->step(kPagesAtOnce));
        if (!all) return false;
        taken.at = clock_now();
        taken.next_job = state.next_job;
        return true;
      };
      Result<bool> out = step();
      if (!out || *out) copy->reset();
      answer->set_value(std::move(out));
    });
    done = TRY(stepped.get());
  }
  return ok();
}

Status Backup::copy_history(const std::string& path) {
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> copied = answer->get_future();
  const bool queued =
      archive_.read([=](History& history) { answer->set_value(history.copy_to(path)); });
  if (!queued) return Error{Code::kExhausted, "too many read the history", "try again"};
  return copied.get();
}

Result<Backup::Taken> Backup::take() {
  const std::unique_lock lock(one_at_a_time_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return Error{Code::kConflict, "another backup is being taken", "try again when it is done"};
  }
  Taken out;
  out.folder = state_folder_ + "/backup";
  const std::string half = state_folder_ + "/backup.new";
  std::error_code failed;
  fs::remove_all(half, failed);
  const Status copied = copy_all(half, out);
  if (!copied) {
    fs::remove_all(half, failed);
    return copied.error();
  }
  // It has its name only when it is whole, and whoever asked takes it away by another.
  fs::remove_all(out.folder, failed);
  if (::rename(half.c_str(), out.folder.c_str()) != 0) {
    return errno_error("rename to " + out.folder, errno);
  }
  log::info("a backup is in {}", out.folder);
  return out;
}

Status Backup::copy_all(const std::string& folder, Taken& taken) {
  TRY(make_folders(folder + "/store", 0700));
  TRY(copy_journal(folder + "/journal.db", taken));
  TRY(copy_history(folder + "/history.db"));
  for (const char* file : {"accounts.json", "enrolment.json"}) {
    TRY(copy_file_if_there(fmt::format("{}/{}", state_folder_, file),
                           fmt::format("{}/{}", folder, file)));
  }
  taken.volumes = TRY(storage_.save_records(folder + "/store"));
  return ok();
}

namespace {

// Those that are not in the backup, or lost there, are nodes of which nobody has heard: they are awaited like the others.
Result<std::vector<Event>> nodes_since(const std::string& jobs_path, State& state, Time now) {
  std::vector<Event> out;
  for (const std::string& name : TRY(noted_nodes(nodes_folder_beside(jobs_path)))) {
    const auto known = state.nodes.find(name);
    if (known != state.nodes.end() && !known->second.lost) continue;
    NodeHello hello;
    hello.name = name;
    out.push_back({now, NodeJoined{known == state.nodes.end() ? hello : known->second.hello}});
    apply(state, out.back());
  }
  return out;
}

}  // namespace

Status go_on_from_backup(const std::string& state_folder, const std::string& jobs_path,
                         State& state, Journal& journal, Time now) {
  const std::string path = state_folder + "/restored.json";
  const Result<std::string> text = read_file(path);
  if (!text && text.error().code == Code::kNotFound) return ok();
  if (!text) return text.error();
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.value("backup_us", nlohmann::json()).is_number_integer()) {
    return Error{Code::kCorrupt, path + " is damaged", "devrun restore, once more"};
  }
  Restore input;
  input.backup = Time{json["backup_us"].get<int64_t>()};
  const auto there = TRY(storage::attempts_there(jobs_path, [&state](JobId id) {
    const auto job = state.jobs.find(id);
    return job != state.jobs.end() && !job->second.outcome;
  }));
  const JobId highest =
      std::max({state.next_job, there.newest + 1, TRY(noted_number(jobs_path))}) + kNumbersSkipped;
  input.next_job = (highest / kRound + 1) * kRound;
  TRY(write_file_durably(numbers_file(jobs_path), fmt::format("{}\n", input.next_job), 0600));
  input.begun = there.attempts;
  std::vector<Event> events = TRY(nodes_since(jobs_path, state, now));
  const Decision decision = step(state, input, now);
  events.insert(events.end(), decision.events.begin(), decision.events.end());
  TRY(journal.append(events));
  if (::unlink(path.c_str()) != 0) return errno_error("remove " + path, errno);
  TRY(sync_folder(state_folder));
  log::warning("going on from a backup: the next job is {}, and {} nodes are awaited",
               state.next_job, state.restored.awaited.size());
  return ok();
}

}  // namespace devrun::controller
