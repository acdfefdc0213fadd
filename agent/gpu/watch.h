// Keeps `devrun-gpus --every` running and hands on each round that it tells. One that ends is started again after a pause; one
// that hangs, since its driver does, stops the rounds and nothing else (silent_for).
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/gpu/found.h"
#include "common/base/time.h"

namespace devrun::gpu {

class Watch {
 public:
  // `words`: the program with its arguments. `round` is called on a thread of its own.
  Watch(std::vector<std::string> words, std::function<void(FoundRound)> round);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // How long no round has come, since the start at first. Any thread.
  Duration silent_for() const;

 private:
  void run();

  const std::vector<std::string> words_;
  const std::function<void(FoundRound)> round_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> heard_us_;  // boot_clock()
  std::thread thread_;
};

}  // namespace devrun::gpu
