// A small cluster with a job of every kind, for the tests of the monitor's screens.
#pragma once

#include "tui/model/model.h"

namespace devrun::tui {

inline JobRow sample_job(JobId id, JobState state, std::string command) {
  JobRow job;
  job.id = id;
  job.state = state;
  job.user = "ada";
  job.volume = "main";
  job.name = command.substr(0, command.find(' '));
  job.command = std::move(command);
  job.cwd = "/root/proj";
  job.snapshot = "0123456789ab";
  job.env_names = {"HOME", "PATH"};
  job.per_node = {2000, int64_t{4} << 30, 0, ""};
  job.timeline.submitted = {1'000'000'000};
  return job;
}

inline AttemptRow sample_attempt(AttemptKey key, std::string node, JobState state,
                                 int64_t output_bytes = 0) {
  AttemptRow out;
  out.key = key;
  out.node = std::move(node);
  out.state = state;
  out.output_bytes = output_bytes;
  return out;
}

inline AttemptSample sample_load(AttemptKey key, uint32_t cpu_milli, uint32_t gpus,
                                 uint32_t gpu_percent, uint32_t idle_s = 0) {
  AttemptSample out;
  out.key = key;
  out.cpu_milli = cpu_milli;
  out.memory_bytes = int64_t{3} << 30;
  out.gpus = gpus;
  out.gpu_busy_percent = gpu_percent;
  out.gpu_idle_s = idle_s;
  return out;
}

inline std::vector<NodeSample> sample_loads() {
  NodeSample one{"node1", 750, int64_t{6} << 30, int64_t{8} << 30, 1 << 20, 4 << 20};
  one.gpus = {{0, 97, int64_t{70} << 30, int64_t{80} << 30},
              {1, 0, int64_t{20} << 30, int64_t{80} << 30}};
  one.attempts = {sample_load({41, kNoTask, 0, 1}, 1900, 1, 97),
                  sample_load({42, kNoTask, 0, 1}, 100, 1, 0, 720)};
  NodeSample two{"node2", 50, int64_t{1} << 30, int64_t{8} << 30, 0, 0};
  two.attempts = {sample_load({39, 7, 0, 1}, 400, 0, 0)};
  return {one, two};
}

inline NodeRow sample_node(std::string name, bool connected, uint32_t attempts) {
  NodeRow out;
  out.name = std::move(name);
  out.connected = connected;
  out.total = {2000, int64_t{8} << 30, 0, ""};
  out.attempts = attempts;
  return out;
}

inline Pushed sample_cluster() {
  Pushed pushed;
  pushed.whole = true;
  pushed.now = {1'125'000'000};
  JobRow running = sample_job(41, JobState::kRunning, "python train.py --lr 0.1");
  running.timeline.snapshot_taken = {1'000'004'000};
  running.timeline.journaled = {1'000'006'000};
  running.timeline.placed = {1'000'006'100};
  running.timeline.mounted = {1'000'010'000};
  running.timeline.started = {1'000'021'500};
  running.labels = {{"team", "vision"}};
  running.per_node.gpus = 1;
  running.attempts = {sample_attempt({41, kNoTask, 0, 1}, "node1", JobState::kRunning, 12'345)};
  running.attempts[0].gpus = {0};
  JobRow waiting = sample_job(43, JobState::kQueued, "python big.py");
  waiting.reason = "needs 64 cores on one node: the largest has 2 (node1)";
  waiting.timeline.submitted = {1'120'000'000};
  JobRow failed = sample_job(40, JobState::kFailed, "python train.py");
  failed.ending = {EndCause::kExited, 1, "", ""};
  failed.timeline.started = {1'000'100'000};
  failed.timeline.ended = {1'003'100'000};
  failed.home = {12, 4 << 20, 2, 30, false};
  failed.attempts = {sample_attempt({40, kNoTask, 0, 1}, "node2", JobState::kFailed, 512)};
  failed.attempts[0].ending = "exit 1";
  JobRow gang = sample_job(42, JobState::kRunning, "python ddp.py");
  gang.user = "李明";
  gang.ranks = 2;
  gang.per_node.gpus = 1;
  gang.timeline.started = {1'100'000'000};
  gang.attempts = {sample_attempt({42, kNoTask, 0, 1}, "node1", JobState::kRunning),
                   sample_attempt({42, kNoTask, 1, 1}, "node2", JobState::kRunning)};
  JobRow array = sample_job(39, JobState::kRunning, "python sweep.py");
  array.name = "lr-sweep";
  array.tasks = 10;
  array.progress = {10, 2, 5, 1, {3}};
  array.timeline.started = {1'001'000'000};
  array.attempts = {sample_attempt({39, 6, 0, 1}, "node1", JobState::kRunning, 64),
                    sample_attempt({39, 7, 0, 1}, "node2", JobState::kRunning, 64)};
  pushed.jobs = {running, waiting, failed, gang, array};
  NodeRow first = sample_node("node1", true, 2);
  first.total.gpus = 2;
  first.gpus = {{0, "H100", "NVIDIA H100", int64_t{80} << 30},
                {1, "H100", "NVIDIA H100", int64_t{80} << 30}};
  first.holders = {{{41, kNoTask, 0, 1}, {0}}, {{42, kNoTask, 0, 1}, {1}}};
  first.used = {2000, int64_t{4} << 30, 2, ""};
  NodeRow drained = sample_node("node2", true, 1);
  drained.drained = true;
  drained.trouble = "drained: a new disk";
  pushed.nodes = {first, drained, sample_node("node3", false, 0)};
  pushed.loads = sample_loads();
  return pushed;
}

// All tasks of the array, as its details have them.
inline JobRow sample_array_details() {
  JobRow array = sample_cluster().jobs.back();
  array.attempts.clear();
  for (int32_t task = 0; task < 8; ++task) {
    const JobState state = task == 3   ? JobState::kFailed
                           : task >= 6 ? JobState::kRunning
                                       : JobState::kSucceeded;
    array.attempts.push_back(sample_attempt({39, task, 0, 1}, "node1", state, 64));
    array.attempts.back().started = {1'001'000'000};
    array.attempts.back().ended = {is_final(state) ? 1'004'000'000 : 0};
    if (task == 3) array.attempts.back().ending = "exit 1: killed by signal 9";
  }
  return array;
}

inline LoadSeries sample_series() {
  LoadSeries out{"", 2'000'000, 1'125'000'000, true, {}};
  for (uint32_t i = 0; i < 60; ++i) out.points.push_back({i * 33, 3072, i % 20 * 5, 512 * (i % 3)});
  return out;
}

inline Key key(char32_t c) {
  return {c, Special::kNone};
}
// Each key is pressed when what the one before did has been shown.
inline std::vector<Command> press(Model& model, const Key& one) {
  std::vector<Command> out = update(model, one);
  update(model, QuestionShown{});
  return out;
}
inline void type(Model& model, std::string_view text) {
  for (const char c : text) press(model, key(static_cast<char32_t>(c)));
}

}  // namespace devrun::tui
