// How busy this machine's GPUs are: `devrun-gpus --every MS` is kept running and says a line for each GPU each time. A driver
// that hangs stops the lines and nothing else; what is older than some seconds is not told.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/model/sample.h"

namespace devrun::gpu {

// A line of `devrun-gpus --every`: INDEX TAB BUSY_PERCENT TAB USED_BYTES TAB TOTAL_BYTES. Nothing if it is none.
std::optional<GpuSample> parse_busy(std::string_view line);

class BusyWatch {
 public:
  // `words`: the program with its arguments; empty: there are no GPUs, and nothing is run.
  explicit BusyWatch(std::vector<std::string> words);
  ~BusyWatch();
  BusyWatch(const BusyWatch&) = delete;
  BusyWatch& operator=(const BusyWatch&) = delete;

  // By index; those that were told of within the last seconds.
  std::map<uint32_t, GpuSample> newest() const;

 private:
  void run();

  const std::vector<std::string> words_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;
  struct Told {
    GpuSample sample;
    int64_t at_us = 0;  // boot_clock()
  };
  std::map<uint32_t, Told> told_;
  std::thread thread_;
};

// The program's words for a driver that is installed below `driver_root`; empty if there is none.
std::vector<std::string> busy_words(const std::string& program, const std::string& driver_root);

}  // namespace devrun::gpu
