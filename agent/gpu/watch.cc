#include "agent/gpu/watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/file.h"

namespace devrun::gpu {

namespace {

constexpr Duration kLook = milliseconds(100);
constexpr Duration kNoDriverPause = seconds(60);  // after its end, where no driver is installed
constexpr Duration kDiesWithin = seconds(1);
constexpr int kStatusNoLibrary = 3;  // agent/gpu_probe/status.h

}  // namespace

Watch::Watch(Options options, Calls calls)
    : options_(std::move(options)),
      calls_(std::move(calls)),
      heard_us_(boot_clock().us),
      thread_([this] { run(); }) {}

Watch::~Watch() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

Duration Watch::silent_for() const {
  return {boot_clock().us - heard_us_};
}

void Watch::pause(Duration span) const {
  const Time until = boot_clock() + span;
  while (!stop_ && boot_clock() < until) {
    std::this_thread::sleep_for(std::chrono::microseconds(kLook.us));
  }
}

void Watch::say(const std::string& why) {
  if (why == told_) return;
  told_ = why;
  log::warning("{}", why);
  calls_.silent(why);
}

void Watch::run() {
  while (!stop_) {
    pause_ = options_.pause;
    listen();
    pause(pause_);
  }
}

void Watch::listen() {
  if (stray_ && !stray_->ended()) {
    pause_ = kLook;
    return;
  }
  stray_.reset();
  const Result<UniqueFd> lock = open_file(options_.lock_file, O_RDWR | O_CREAT, 0600);
  if (!lock) return say(lock.error().message);
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    pause_ = kLook;
    // That of a killed agent needs a moment to die.
    if (silent_for() < kDiesWithin) return;
    return say("devrun-gpus of an earlier agent does not die: it waits for the driver");
  }
  Result<std::unique_ptr<StubbornChild>> child =
      StubbornChild::start(options_.words, {.held = lock->get()});
  if (!child) return say(child.error().message);
  std::string last;
  Time heard = boot_clock();
  const auto on_line = [&](std::string_view line) {
    Result<FoundRound> round = parse_round(line);
    if (!round) {
      last = line.substr(0, line.find('\n'));  // a word of the driver's
      return;
    }
    heard = boot_clock();
    heard_us_ = heard.us;
    told_.clear();
    calls_.round(std::move(*round));
  };
  while (!stop_ && (*child)->read(kLook, on_line)) {
    if (boot_clock() - heard < options_.hangs_after) continue;
    last = fmt::format("the driver has told nothing for {}", format_duration(options_.hangs_after));
    (*child)->kill();
    break;
  }
  end(std::move(*child), last);
}

void Watch::end(std::unique_ptr<StubbornChild> child, const std::string& last) {
  if (stop_) child->kill();
  const std::optional<int> status = child->ended(kDiesWithin);
  if (!status) child->kill();  // it has closed its output and goes on
  if (!status && !child->ended(kDiesWithin)) {
    stray_ = std::move(child);
    pause_ = kLook;
    say(fmt::format("devrun-gpus hangs in the driver and cannot be killed{}{}",
                    last.empty() ? "" : ": ", last));
    return;
  }
  if (stop_) return;
  if (status == kStatusNoLibrary) {
    pause_ = kNoDriverPause;
    calls_.silent("");
    return;
  }
  say(fmt::format("devrun-gpus has ended: {}", last));
}

}  // namespace devrun::gpu
