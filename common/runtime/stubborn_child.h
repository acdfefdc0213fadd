// A program that may hang in the kernel, where no signal reaches it: one that asks the driver of a broken device. Whoever runs it waits
// for nothing without a limit, and may leave it behind. It dies with the thread that started it, as far as it can die.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun {

class StubbornChild {
 public:
  struct Options {
    std::string root = "/";  // its root file system
    int held = -1;           // a descriptor that it keeps open as long as it is there: a lock, say
  };
  // kNotFound for a program that is not there.
  static Result<std::unique_ptr<StubbornChild>> start(const std::vector<std::string>& argv,
                                                      const Options& options);
  // Killed and waited for, a second at the most; then left behind.
  ~StubbornChild();
  StubbornChild(const StubbornChild&) = delete;
  StubbornChild& operator=(const StubbornChild&) = delete;

  // Its output, both streams, line by line as far as there is any within that time. False: it has ended. A line of more than
  // kLineBytesMax is left out.
  bool read(Duration within, const std::function<void(std::string_view)>& line);
  void kill();
  // As a shell tells it; nullopt: it is still there. Waits that long at the most.
  std::optional<int> ended(Duration within = {});

  static constexpr size_t kLineBytesMax = 16 << 20;

 private:
  StubbornChild(pid_t pid, UniqueFd output) : pid_(pid), output_(std::move(output)) {}

  pid_t pid_;
  UniqueFd output_;
  std::string pending_;
  std::optional<int> status_;
};

// Runs it to the end, or for so long, and then kills it: kUnavailable, and `left` has it if it does not die.
Result<std::string> run_within(Duration limit, const std::vector<std::string>& argv,
                               const StubbornChild::Options& options,
                               std::unique_ptr<StubbornChild>& left);

}  // namespace devrun
