// What ended tasks cost in memory, how long a controller needs to find its live jobs again, and how fast the journal and
// the history take what they are given. One JSON line; in a folder of its own below TMPDIR, on a real disk please.
//
//   bench_journal [--tasks N] [--jobs N] [--folder DIR]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "bench/sched_core/measure.h"
#include "bench/sched_core/scene.h"
#include "controller/core/apply.h"
#include "controller/core/archive.h"
#include "controller/journal/history.h"
#include "controller/journal/job_codec.h"
#include "controller/journal/journal.h"

namespace devrun::controller {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

constexpr Time kNow{1'700'000'000'000'000};

NodeJoined node(uint64_t n) {
  NodeJoined out;
  out.hello.name = fmt::format("node{}", n);
  out.hello.boot_id = "boot";
  out.hello.total = {64'000, 512LL << 30, 8, "A100"};
  return out;
}

void run_task(std::vector<Event>& out, TaskKey key) {
  const std::string where = fmt::format("node{}", key.task % 100);
  out.push_back({kNow, TaskPlaced{key, 1, {where}, {{3}}}});
  ObservedAttempt observed;
  observed.key = {key.job, key.task, 0, 1};
  observed.phase = Phase::kRunning;
  observed.timeline = {{}, {}, {}, {}, kNow, kNow, kNow, {}, {}};
  out.push_back({kNow, AttemptReported{where, observed}});
  observed.phase = Phase::kEnded;
  observed.ending = Ending{};
  observed.output_bytes = 1234;
  observed.timeline.first_byte = observed.timeline.ended = kNow;
  observed.usage = Usage{seconds(3), 1 << 30, 0, 5, 6};
  out.push_back({kNow, AttemptReported{where, observed}});
  out.push_back({kNow, TaskEnded{key, JobState::kSucceeded, {}, kNow}});
}

Status append_all(Journal& journal, const std::vector<Event>& events, size_t group) {
  for (size_t at = 0; at < events.size(); at += group) {
    const size_t n = std::min(group, events.size() - at);
    TRY(journal.append(std::span(events).subspan(at, n)));
  }
  return ok();
}

Status measure(uint64_t tasks, uint64_t jobs, const std::string& folder) {
  std::vector<Event> events;
  for (uint64_t n = 0; n < 100; ++n) events.push_back({kNow, node(n)});
  JobSpec array = bench::developers_job(1);
  array.array = {{0, static_cast<int32_t>(tasks) - 1, 1}};
  events.push_back({kNow, JobSubmitted{1, "array", array, {}}});
  for (uint64_t n = 0; n < tasks; ++n) run_task(events, {1, static_cast<int32_t>(n)});

  std::unique_ptr<Journal> journal = TRY(Journal::open(folder + "/journal.db"));
  auto begin = Clock::now();
  TRY(append_all(*journal, events, 1000));
  const double append_s = seconds_since(begin);
  const double appended = static_cast<double>(events.size());

  const size_t before = bench::heap_bytes();
  Ledger ledger;
  begin = Clock::now();
  for (const Event& event : events) apply(ledger, event);
  const double apply_s = seconds_since(begin);
  const size_t task_bytes = (bench::heap_bytes() - before) / tasks;

  begin = Clock::now();
  Job copy = ledger.jobs.at(1);
  const double copy_s = seconds_since(begin);
  begin = Clock::now();
  const std::string record = encode_job(copy);
  const double encode_s = seconds_since(begin);
  begin = Clock::now();
  TRY(decode_job(record));
  const double decode_s = seconds_since(begin);
  begin = Clock::now();
  TRY(journal->append(std::vector<Event>{{kNow, JobArchived{1}}}));
  const double archive_s = seconds_since(begin);

  Job small;
  small.spec = bench::developers_job(2);
  small.tasks[kNoTask] = copy.tasks.begin()->second;
  small.outcome = copy.outcome;
  const size_t small_bytes = encode_job(small).size();

  events.clear();
  for (JobId id = 2; id < jobs + 2; ++id) {
    events.push_back(
        {kNow, JobSubmitted{id, fmt::format("request-{}", id), bench::developers_job(id), {}}});
    if (id % 4 == 0) events.push_back({kNow, TaskPlaced{{id, kNoTask}, 1, {"node1"}, {{1}}}});
  }
  TRY(append_all(*journal, events, 1000));
  for (uint64_t n = 0; n <= tasks; n += 100)
    TRY(journal->tidy());  // nothing of the array is left then
  journal.reset();
  const double cpu_before = cpu_seconds();
  begin = Clock::now();
  journal = TRY(Journal::open(folder + "/journal.db"));
  Ledger found;
  const size_t heap = bench::heap_bytes();
  TRY(journal->replay([&](const Event& event) { apply(found, event); }));
  const double restart_s = seconds_since(begin);
  const double restart_cpu_s = cpu_seconds() - cpu_before;
  const size_t job_bytes = (bench::heap_bytes() - heap) / jobs;

  fmt::print(
      "{{\"record_bytes_of_one_job\": {}, \"tasks\": {}, \"bytes_per_ended_task\": {}, "
      "\"record_bytes_per_task\": {:.1f}, "
      "\"append_events_per_s\": {:.0f}, \"apply_events_per_s\": {:.0f}, \"copy_array_ms\": {:.1f}, "
      "\"encode_array_ms\": {:.1f}, \"decode_array_ms\": {:.1f}, \"archive_array_ms\": {:.1f}, "
      "\"live_jobs\": {}, \"restart_s\": {:.2f}, \"restart_cpu_s\": {:.2f}, "
      "\"bytes_per_live_job\": {}}}\n",
      small_bytes, tasks, task_bytes,
      static_cast<double>(record.size()) / static_cast<double>(tasks), appended / append_s,
      appended / apply_s, copy_s * 1000, encode_s * 1000, decode_s * 1000, archive_s * 1000,
      found.jobs.size(), restart_s, restart_cpu_s, job_bytes);
  return ok();
}

}  // namespace
}  // namespace devrun::controller

int main(int argc, char** argv) {
  using namespace devrun;
  uint64_t tasks = 100'000;
  uint64_t jobs = 100'000;
  std::string parent = std::filesystem::temp_directory_path();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--tasks") tasks = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--jobs") jobs = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--folder") parent = argv[i + 1];
  }
  std::string folder = parent + "/bench-journal-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  const Status done = controller::measure(tasks, jobs, folder);
  std::filesystem::remove_all(folder);
  if (!done) fmt::print(stderr, "bench_journal: {}\n", done.error().message);
  return done ? 0 : 1;
}
