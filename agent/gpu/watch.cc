#include "agent/gpu/watch.h"

#include <chrono>

#include "common/base/log.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/child.h"

namespace devrun::gpu {

namespace {

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr int kPauseLooks = 50;           // after its end
constexpr int kNoDriverPauseLooks = 600;  // where no driver is installed
constexpr int kStatusNoLibrary = 3;       // agent/gpu_probe/status.h

}  // namespace

Watch::Watch(std::vector<std::string> words, std::function<void(FoundRound)> round)
    : words_(std::move(words)),
      round_(std::move(round)),
      heard_us_(boot_clock().us),
      thread_([this] { run(); }) {}

Watch::~Watch() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

Duration Watch::silent_for() const {
  return {boot_clock().us - heard_us_};
}

void Watch::run() {
  std::string told;
  while (!stop_) {
    ChildOptions options;
    options.stop = &stop_;
    std::string last;
    options.line = [&](std::string_view line) {
      Result<FoundRound> round = parse_round(line);
      if (!round) {
        last = line;  // a word of the driver's
        return;
      }
      heard_us_ = boot_clock().us;
      told.clear();
      round_(std::move(*round));
    };
    const Result<ChildResult> ended = run_child_with(words_, options);
    if (stop_) return;
    const bool no_driver = ended && ended->exit_status == kStatusNoLibrary;
    const std::string why = ended ? last : ended.error().message;
    if (!no_driver && why != told) {
      log::warning("devrun-gpus has ended: {}", why);
      told = why;
    }
    for (int i = no_driver ? kNoDriverPauseLooks : kPauseLooks; i > 0 && !stop_; --i) {
      std::this_thread::sleep_for(kLook);
    }
  }
}

}  // namespace devrun::gpu
