// What a request may ask for at the least and at the most, where both the command line and the controller must know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace devrun {

// Below it no container comes up; whoever asks for less has most likely left out the unit.
inline constexpr int64_t kMemoryBytesMin = 4 << 20;

// Further attempts of a job.
inline constexpr uint32_t kRetriesMax = 100;

// Of which a job asks for one (JobSpec.alternatives).
inline constexpr size_t kAlternativesMax = 16;

// Names stand in lists and file names for people: one line of text.
inline bool has_control_characters(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

}  // namespace devrun
