// See bench/top, which builds and starts it.
//
//   bench_top_model [--jobs N] [--nodes N]
//
// The monitor: the real model and the real drawing, fed with what the controller would push. The controller: the real
// table of rows over a real core with so many waiting jobs.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "controller/core/apply.h"
#include "controller/core/step.h"
#include "controller/metrics/sample_book.h"
#include "controller/rpc/watch_table.h"
#include "tui/view/draw.h"

namespace devrun::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_of(const std::function<void()>& work) {
  const auto before = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - before).count();
}

struct Size {
  uint64_t jobs = 10'000;
  uint64_t nodes = 1'000;
};

void print(const char* what, double ms) {
  fmt::print("{:<64} {:>9.2f} ms\n", what, ms);
}

tui::Pushed whole_of(const Size& size) {
  tui::Pushed out;
  out.whole = true;
  out.now = {2'000'000'000};
  for (uint64_t i = 1; i <= size.jobs; ++i) {
    tui::JobRow job;
    job.id = i;
    job.state = i % 5 == 0 ? JobState::kRunning : JobState::kQueued;
    job.user = fmt::format("user{}", i % 40);
    job.volume = "main";
    job.name = "train";
    job.command = fmt::format("python train.py --seed {} --learning-rate 0.001", i);
    job.reason = "needs 8 GPUs on one node: the largest free has 4 (node17)";
    job.timeline.submitted = {1'000'000'000};
    if (job.state == JobState::kRunning) {
      tui::AttemptRow attempt;
      attempt.key = {i, kNoTask, 0, 1};
      attempt.node = fmt::format("node{}", i % size.nodes);
      attempt.state = job.state;
      job.attempts = {attempt};
    }
    out.jobs.push_back(job);
  }
  for (uint64_t i = 0; i < size.nodes; ++i) {
    tui::NodeRow node;
    node.name = fmt::format("node{}", i);
    node.connected = true;
    node.total = {128'000, int64_t{1} << 40, 8, "H100"};
    out.nodes.push_back(node);
  }
  return out;
}

// Half of the nodes, as a second brings them.
tui::Pushed loads_of(const Size& size, uint64_t second) {
  tui::Pushed out;
  for (uint64_t i = second % 2; i < size.nodes; i += 2) {
    NodeSample node;
    node.node = fmt::format("node{}", i);
    node.cpu_permille = static_cast<uint32_t>((i * 7 + second) % 1000);
    node.memory_total_bytes = int64_t{1} << 40;
    for (uint32_t gpu = 0; gpu < 8; ++gpu) node.gpus.push_back({gpu, gpu * 12, 1, 2});
    for (uint64_t job = i; job < size.jobs; job += size.nodes) {
      if (job % 5 != 0 || job == 0) continue;
      AttemptSample attempt;
      attempt.key = {job, kNoTask, 0, 1};
      attempt.cpu_milli = 900;
      attempt.gpus = 1;
      node.attempts.push_back(attempt);
    }
    out.loads.push_back(std::move(node));
  }
  return out;
}

void monitor(const Size& size) {
  tui::Model model;
  model.rows = 60;
  model.columns = 200;
  std::vector<tui::Command> commands;
  const tui::Pushed whole = whole_of(size);
  const double first = milliseconds_of([&] {
    tui::apply(model, whole, commands);
    tui::settle(model);
    static_cast<void>(tui::draw(model));
  });
  print("monitor: everything taken, and the first screen drawn", first);
  constexpr int kSeconds = 20;
  const double idle = milliseconds_of([&] {
    for (uint64_t second = 0; second < kSeconds; ++second) {
      tui::apply(model, loads_of(size, second), commands);
      tui::apply(model, tui::Ticked{{2'000'000'000}}, commands);
      tui::settle(model);
      static_cast<void>(tui::draw(model));
      static_cast<void>(tui::draw(model));
    }
  });
  const double making = milliseconds_of([&] {
    for (uint64_t second = 0; second < kSeconds; ++second)
      static_cast<void>(loads_of(size, second));
  });
  print("monitor: a second in which nothing happens but loads", (idle - making) / kSeconds);
  constexpr int kChanges = 50;
  const double changes = milliseconds_of([&] {
    for (uint64_t i = 0; i < kChanges; ++i) {
      tui::Pushed pushed;
      pushed.jobs = {whole.jobs[i * 17]};
      pushed.jobs[0].state = JobState::kSucceeded;
      tui::apply(model, pushed, commands);
      tui::settle(model);
      static_cast<void>(tui::draw(model));
    }
  });
  print("monitor: one job changes: taken, sorted, drawn", changes / kChanges);
  const double typed = milliseconds_of([&] {
    for (const char c : std::string("/seed 7[0-9]+ ")) {
      tui::apply(model, tui::Key{static_cast<char32_t>(c), tui::Special::kNone}, commands);
      tui::settle(model);
      static_cast<void>(tui::draw(model));
    }
  });
  print("monitor: a key of a filter that is typed", typed / 14);
}

controller::State core_of(const Size& size) {
  controller::State state;
  const Time now{2'000'000'000};
  state.presence.started = now;
  state.schedule.begin(state, now);
  const auto take = [&](const controller::Input& input) {
    static_cast<void>(controller::step(state, input, now));
  };
  for (uint64_t i = 0; i < size.nodes; ++i) {
    NodeHello hello;
    hello.name = fmt::format("node{}", i);
    hello.boot_id = "boot";
    hello.total = {128'000, int64_t{1} << 40, 0, ""};
    take(controller::Synchronized{hello, 1 + i, {}});
  }
  for (uint64_t i = 0; i < size.jobs; ++i) {
    controller::Submit submit;
    submit.request_id = fmt::format("r{}", i);
    submit.spec.user = fmt::format("user{}", i % 40);
    submit.spec.name = "train";
    submit.spec.root.volume = "main";
    submit.spec.program.argv = {"python", "train.py", "--seed", fmt::format("{}", i)};
    submit.spec.program.cwd = "/root/project";
    submit.spec.per_node.cpu_milli = i % 5 == 0 ? 1000 : 256'000;  // the others wait for ever
    take(submit);
  }
  take(controller::Place{});
  return state;
}

void controller_side(const Size& size) {
  const controller::State state = core_of(size);
  const Time now{2'000'000'000};
  controller::WatchTable table("bench");
  print("controller: all rows made", milliseconds_of([&] {
          while (!table.refresh(state, now)) {
          }
        }));
  controller::Who admin;
  admin.admin = true;
  controller::WatchTable::Place place;
  size_t bytes = 0;
  print("controller: the first update put together", milliseconds_of([&] {
          do {
            controller::pb::WatchUpdate update;
            table.fill(admin, true, place, update);
            bytes += update.ByteSizeLong();
          } while (place.behind);
        }));
  constexpr int kTicks = 50;
  print("controller: a second in which nothing happens, watched",
        milliseconds_of([&] {
          for (int i = 0; i < kTicks; ++i) {
            table.tick(state, now, true);
            controller::pb::WatchUpdate update;
            table.fill(admin, true, place, update);
          }
        }) / kTicks);
  print("controller: one job changes", milliseconds_of([&] {
                                         for (JobId job = 1; job <= kTicks; ++job) {
                                           table.job_changed(job);
                                           table.refresh(state, now);
                                           controller::pb::WatchUpdate update;
                                           table.fill(admin, true, place, update);
                                         }
                                       }) / kTicks);
  controller::SampleBook book;
  for (const NodeSample& sample : loads_of(size, 0).loads) book.tell(sample, now);
  for (const NodeSample& sample : loads_of(size, 1).loads) book.tell(sample, now);
  print("controller: series go on (every 2 s)", milliseconds_of([&] { book.fold(now); }));
  fmt::print("the first update has {:.1f} MB, {} bytes a job\n", static_cast<double>(bytes) / 1e6,
             bytes / size.jobs);
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  using namespace devrun::bench;
  Size size;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string word = argv[i];
    const std::string value = argv[i + 1];
    uint64_t& to = word == "--nodes" ? size.nodes : size.jobs;
    std::from_chars(value.data(), value.data() + value.size(), to);
  }
  fmt::print("{} jobs, {} nodes\n", size.jobs, size.nodes);
  monitor(size);
  controller_side(size);
  return 0;
}
