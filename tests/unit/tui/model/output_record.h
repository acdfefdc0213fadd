// A record of a job's output as the wire has it, for the tests of logs.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace devrun::tui {

inline std::string record(int stream, std::string_view text) {
  std::string out(16, '\0');
  out[0] = static_cast<char>(stream);
  const auto size = static_cast<uint32_t>(text.size());
  std::memcpy(out.data() + 4, &size, sizeof size);
  return out + std::string(text);
}

}  // namespace devrun::tui
