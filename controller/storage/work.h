// Long work for somebody who may leave: words for people on the way, and whether to stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

namespace devrun::storage {

// Called with a line for people, from the thread of the call.
using ProgressLine = std::function<void(std::string_view)>;

// How much of something is done.
struct Amount {
  enum class Unit { kEntries, kBytes };
  int64_t done = 0;
  int64_t total = 0;
  Unit unit = Unit::kEntries;
};
using ProgressAmount = std::function<void(std::string_view what, const Amount&)>;

class Work {
 public:
  explicit Work(ProgressLine line = {}, ProgressLine passing = {}, ProgressAmount amount = {})
      : line_(std::move(line)), passing_(std::move(passing)), amount_(std::move(amount)) {}

  void tell(std::string_view line) const {
    if (line_) line_(line);
  }
  // Takes the place of the one before.
  void tell_passing(std::string_view line) const {
    if (passing_) passing_(line);
  }
  // Takes the place of the one before, too; `what` is a word such as "copying".
  void tell_amount(std::string_view what, const Amount& amount) const {
    if (amount_ && amount.total > 0) amount_(what, amount);
  }
  // Any thread. The work then ends with kCancelled as soon as it can, and undoes what it made.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  const std::atomic<bool>& stop_flag() const { return stopped_; }

 private:
  const ProgressLine line_;
  const ProgressLine passing_;
  const ProgressAmount amount_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace devrun::storage
