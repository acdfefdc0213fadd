// The program that a keeper keeps running: devrun-fs, which serves the mounts whose descriptors the
// keeper holds, so that nobody else can start it anew as soon.
//
//   none ── told ──▶ running ── ended ──▶ waiting ── delay over ──▶ running
//                       │                    │ too many short lives in a row
//                       └─ status 0 or 4 ────┴──▶ given up ── told ──▶ running
//
// Delays grow from nothing while lives are short and begin anew after a long one. Status 0 says that
// its work is done (the mounts have gone), 4 that starting it again is of no use. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/runtime/fd.h"
#include "common/wire/node_calls.h"

namespace devrun::keeper {

class Program {
 public:
  using Clock = std::chrono::steady_clock;

  Program() = default;
  ~Program();  // asks it to end, and leaves it
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void run(wire::KeeperRun what, Clock::time_point now);
  wire::KeeperSeen seen() const;

  // For poll: readable when it has ended (-1: nothing to wait for), and how long to wait.
  int end_fd() const { return process_.get(); }
  int wait_ms(Clock::time_point now) const;
  // After poll: does what is due.
  void advance(Clock::time_point now);

 private:
  static constexpr unsigned kShortLivesMax = 20;
  static constexpr std::chrono::milliseconds kShortLife{500};
  static constexpr std::chrono::milliseconds kFirstDelay{20};
  static constexpr std::chrono::milliseconds kLongestDelay{2000};

  void start(Clock::time_point now);
  void on_end(Clock::time_point now);

  wire::KeeperRun what_;
  pid_t pid_ = 0;
  UniqueFd process_;  // a pidfd
  Clock::time_point started_{};
  std::optional<Clock::time_point> due_;
  uint64_t starts_ = 0;
  unsigned short_lives_ = 0;  // in a row
  std::string given_up_;
};

}  // namespace devrun::keeper
