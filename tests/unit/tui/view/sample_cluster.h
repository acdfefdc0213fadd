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
  running.attempts = {{{41, kNoTask, 0, 1}, "node1", JobState::kRunning, "", 12'345}};
  JobRow waiting = sample_job(43, JobState::kQueued, "python big.py");
  waiting.reason = "needs 64 cores on one node: the largest has 2 (node1)";
  waiting.timeline.submitted = {1'120'000'000};
  JobRow failed = sample_job(40, JobState::kFailed, "python train.py");
  failed.ending = {EndCause::kExited, 1, "", ""};
  failed.timeline.started = {1'000'100'000};
  failed.timeline.ended = {1'003'100'000};
  failed.attempts = {{{40, kNoTask, 0, 1}, "node2", JobState::kFailed, "exit 1", 512}};
  JobRow gang = sample_job(42, JobState::kRunning, "python ddp.py");
  gang.user = "李明";
  gang.ranks = 2;
  gang.timeline.started = {1'100'000'000};
  gang.attempts = {{{42, kNoTask, 0, 1}, "node1", JobState::kRunning, "", 0},
                   {{42, kNoTask, 1, 1}, "node2", JobState::kRunning, "", 0}};
  JobRow array = sample_job(39, JobState::kRunning, "python sweep.py");
  array.name = "lr-sweep";
  array.tasks = 10;
  array.progress = {10, 2, 5, 1, {3}};
  array.timeline.started = {1'001'000'000};
  array.attempts = {{{39, 6, 0, 1}, "node1", JobState::kRunning, "", 64},
                    {{39, 7, 0, 1}, "node2", JobState::kRunning, "", 64}};
  pushed.jobs = {running, waiting, failed, gang, array};
  pushed.nodes = {{"node1", true, {2000, int64_t{8} << 30, 0, ""}, {}, 2},
                  {"node2", true, {2000, int64_t{8} << 30, 0, ""}, {}, 1},
                  {"node3", false, {2000, int64_t{8} << 30, 0, ""}, {}, 0}};
  return pushed;
}

inline Key key(char32_t c) {
  return {c, Special::kNone};
}

}  // namespace devrun::tui
