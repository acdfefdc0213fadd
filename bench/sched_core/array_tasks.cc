// Submit, start, finish: what the core and the journal need of each task of an array.
#include <fmt/format.h>

#include "bench/sched_core/scenarios.h"
#include "bench/sched_core/scene.h"

namespace devrun::bench {

using namespace controller;

namespace {

constexpr uint64_t kNodes = 1000;
constexpr int64_t kSlots = 4;  // tasks at once on each

// One array to its end, each attempt's news an input of its own; how many tasks.
uint64_t run_array(Scene& scene, uint64_t number, uint64_t tasks) {
  uint64_t ended = 0;
  std::vector<SendDesired> started =
      scene.put(scene.submission(array_of(number, static_cast<int32_t>(tasks))));
  std::vector<Input> inputs;
  const auto report = [&](const SendDesired& of, Phase phase) {
    inputs.push_back(Reported{of.node, {observed(of.key, phase, scene.now)}});
  };
  while (!started.empty()) {
    scene.now = scene.now + milliseconds(50);
    inputs.clear();
    for (const SendDesired& of : started) report(of, Phase::kRunning);
    scene.run(inputs);
    inputs.clear();
    for (const SendDesired& of : started) report(of, Phase::kEnded);
    for (const SendDesired& of : started) inputs.push_back(OutputStored{of.key});
    ended += started.size();
    started = scene.run(inputs);
  }
  return ended;
}

}  // namespace

Status array_tasks(const Settings& settings, std::vector<Row>& rows) {
  Scene scene;
  scene.journal = TRY(Journal::open(settings.folder + "/array.db"));
  for (uint64_t n = 0; n < kNodes; ++n) {
    NodeHello node = node_hello(n);
    node.total.cpu_milli = kSlots * 1000;
    scene.put(scene.hello(node));
  }
  std::vector<double> rates;
  std::vector<double> cpus;
  for (uint64_t round = 0; round <= settings.rounds; ++round) {
    const double wall = wall_s();
    const double cpu = thread_cpu_s();
    const auto tasks = static_cast<double>(run_array(scene, round, settings.tasks));
    if (round == 0) continue;
    rates.push_back(tasks / (wall_s() - wall));
    cpus.push_back((thread_cpu_s() - cpu) / tasks * 1000);
  }
  const double cpu = spread(cpus).p50;
  rows.push_back({"array tasks in process, submit to finish, journal with fsync", "tasks/s",
                  spread(rates).p50, 30'000, true,
                  fmt::format("{} nodes, {} tasks at once", kNodes, kNodes * kSlots)});
  rows.push_back({"… by CPU alone", "tasks/s", 1000 / cpu, 30'000, true});
  rows.push_back({"… CPU of a task, journal with it", "ms", cpu, 0.1});
  return ok();
}

}  // namespace devrun::bench
