// Long work for somebody who may leave: words for people on the way, and whether to stop.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

namespace devrun::storage {

// Called with a line for people, from the thread of the call.
using ProgressLine = std::function<void(std::string_view)>;

class Work {
 public:
  explicit Work(ProgressLine line = {}, ProgressLine passing = {})
      : line_(std::move(line)), passing_(std::move(passing)) {}

  void tell(std::string_view line) const {
    if (line_) line_(line);
  }
  // Takes the place of the one before.
  void tell_passing(std::string_view line) const {
    if (passing_) passing_(line);
  }
  // Any thread. The work then ends with kCancelled as soon as it can, and undoes what it made.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  const std::atomic<bool>& stop_flag() const { return stopped_; }

 private:
  const ProgressLine line_;
  const ProgressLine passing_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace devrun::storage
