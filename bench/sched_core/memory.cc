// What waits, in memory: the state and its schedule. And how long a controller needs to find it again.
#include <fmt/format.h>

#include "bench/sched_core/scenarios.h"
#include "bench/sched_core/scene.h"
#include "controller/core/apply.h"

namespace devrun::bench {

using namespace controller;

namespace {

constexpr double kMegabyte = 1e6;
constexpr uint64_t kArrays = 10;
constexpr uint64_t kPlacedOf = 4;  // one of so many jobs runs

double megabytes_of(const std::vector<JobSpec>& specs) {
  const size_t before = heap_bytes();
  Scene scene;
  for (const JobSpec& spec : specs) scene.put(scene.submission(spec));
  scene.put(Tick{});
  return static_cast<double>(heap_bytes() - before) / kMegabyte;
}

Status write_live_jobs(const Settings& settings, const std::string& path) {
  std::unique_ptr<Journal> journal = TRY(Journal::open(path));
  Scene scene;
  const Time at = scene.now;
  std::vector<Event> events;
  for (uint64_t n = 0; n < 1000; ++n) events.push_back({at, NodeJoined{node_hello(n)}});
  for (JobId id = 1; id <= settings.jobs; ++id) {
    JobSpec spec = developers_job(id);
    spec.per_node = {100, 1 << 20, 0, ""};
    events.push_back({at, JobSubmitted{id, fmt::format("request-{}", id), spec, {}}});
    if (id % kPlacedOf != 0) continue;
    const std::string node = node_hello(id % 1000).name;
    events.push_back({at, TaskPlaced{{id, kNoTask}, 1, {node}, {}}});
    ObservedAttempt runs = observed({id, kNoTask, 0, 1}, Phase::kRunning, at);
    events.push_back({at, AttemptReported{node, runs}});
    if (events.size() < 10'000) continue;
    TRY(journal->append(events));
    events.clear();
  }
  return journal->append(events);
}

}  // namespace

Status memory(const Settings& settings, std::vector<Row>& rows) {
  std::vector<JobSpec> specs;
  for (uint64_t n = 0; n < kArrays; ++n) specs.push_back(array_of(n, 100'000));
  rows.push_back({"memory of 1,000,000 waiting tasks, 10 arrays", "MB", megabytes_of(specs), 100});
  specs.clear();
  for (uint64_t n = 0; n < settings.jobs; ++n) specs.push_back(developers_job(n));
  rows.push_back({fmt::format("memory of {} distinct waiting jobs", settings.jobs), "MB",
                  megabytes_of(specs), 500, false, "2.5 KB of environment each"});
  return ok();
}

Status restart(const Settings& settings, std::vector<Row>& rows) {
  const std::string path = settings.folder + "/restart.db";
  TRY(write_live_jobs(settings, path));
  std::vector<double> walls;
  std::vector<double> cpus;
  std::vector<double> begins;
  for (uint64_t round = 0; round < settings.rounds; ++round) {
    const double wall = wall_s();
    const double cpu = thread_cpu_s();
    const std::unique_ptr<Journal> journal = TRY(Journal::open(path));
    State state;
    TRY(journal->replay([&](const Event& event) { apply(state, event); }));
    const double begin = thread_cpu_s();
    state.schedule.begin(state, Time{seconds(1'700'000'100).us});
    begins.push_back(thread_cpu_s() - begin);
    walls.push_back(wall_s() - wall);
    cpus.push_back(thread_cpu_s() - cpu);
  }
  rows.push_back({fmt::format("restart with {} live jobs", settings.jobs), "s", spread(walls).p50,
                  3, false, fmt::format("1 of {} runs", kPlacedOf)});
  rows.push_back({"… CPU", "s", spread(cpus).p50, 3});
  rows.push_back({"… of it the schedule", "s", spread(begins).p50});
  return ok();
}

}  // namespace devrun::bench
