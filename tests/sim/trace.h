// What has happened in a simulation: lines, of which a hash is kept and which --tell prints, and counts by name. Two
// runs of a seed have the same hash.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "tests/sim/event_queue.h"

namespace devrun::sim {

using Counted = std::map<std::string, uint64_t, std::less<>>;

class Trace {
 public:
  Trace(const EventQueue& queue, bool tell) : queue_(queue), tell_(tell) {}

  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_.clear();
    fmt::format_to(std::back_inserter(text_), "{:11.6f} ",
                   static_cast<double>(queue_.now().us) / 1e6);
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    for (const char c : text_) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    if (tell_) std::printf("%s\n", text_.c_str());
  }
  void count(std::string_view what) {
    const auto it = counts_.find(what);
    if (it != counts_.end()) {
      ++it->second;
    } else {
      counts_.emplace(what, 1);
    }
  }
  uint64_t hash() const { return hash_; }
  const Counted& counts() const { return counts_; }

 private:
  const EventQueue& queue_;
  const bool tell_;
  std::string text_;
  uint64_t hash_ = 0xcbf29ce484222325ULL;
  Counted counts_;
};

}  // namespace devrun::sim
