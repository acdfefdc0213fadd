// Keeps `devrun-gpus --every` running and hands on each round that it tells. One that ends is started again after a pause.
//
// A driver that hangs takes nobody along: whoever asks it may wait in the kernel, where no signal reaches. So one that has told nothing
// for long is killed, and if it does not die it is left as it is (a stray), and no second one is started beside it: it would only hang,
// too. That holds over restarts of the agent, since the program holds a lock for as long as it is there.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/gpu/found.h"
#include "common/base/time.h"
#include "common/runtime/stubborn_child.h"

namespace devrun::gpu {

class Watch {
 public:
  struct Options {
    std::vector<std::string> words;  // the program with its arguments
    std::string lock_file;
    Duration hangs_after = seconds(300);  // without a round
    Duration pause = seconds(5);          // after its end
  };
  struct Calls {  // on a thread of its own
    std::function<void(FoundRound)> round;
    // There is nobody to ask: no driver is installed (empty), or why the program has ended.
    std::function<void(const std::string& why)> silent;
  };
  Watch(Options options, Calls calls);
  // Waits for no more than a second or two.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // How long no round has come, since the start at first. Any thread.
  Duration silent_for() const;

 private:
  void run();
  // One life of the program: until it has ended, hangs or is not wanted any more.
  void listen();
  void end(std::unique_ptr<StubbornChild> child, const std::string& last);
  void say(const std::string& why);
  void pause(Duration span) const;

  const Options options_;
  const Calls calls_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> heard_us_;         // boot_clock()
  std::unique_ptr<StubbornChild> stray_;  // the thread's, as what follows
  std::string told_;                      // why it has ended, as it was said last
  Duration pause_;
  std::thread thread_;
};

}  // namespace devrun::gpu
