#include "agent/shim/memory_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "common/base/units.h"
#include "common/runtime/file.h"

namespace devrun::shim {

namespace {

constexpr size_t kFileBytesMax = 4096;
constexpr int64_t kNoLimitFrom = int64_t{1} << 60;  // v1 says "none" by a huge number, v2 by "max"

// The number after `name` in lines of "name number"; 0 if it is not there.
int64_t counter(const std::string& text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      return std::strtoll(line.data() + name.size() + 1, nullptr, 10);
    }
    at = end + 1;
  }
  return 0;
}

int64_t number_in(const std::string& file) {
  const Result<std::string> text = read_file(file, kFileBytesMax);
  return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
}

int64_t limit_in(const std::string& file) {
  const int64_t limit = number_in(file);
  return limit >= kNoLimitFrom ? 0 : limit;
}

}  // namespace

std::optional<MemoryKills> memory_kills(const std::vector<std::string>& cgroups) {
  for (const std::string& folder : cgroups) {
    if (const Result<std::string> v2 = read_file(folder + "/memory.events", kFileBytesMax)) {
      if (counter(*v2, "oom_kill") == 0) return std::nullopt;
      return MemoryKills{counter(*v2, "oom") > 0, limit_in(folder + "/memory.max"),
                         counter(*v2, "oom_kill")};
    }
    if (const Result<std::string> v1 = read_file(folder + "/memory.oom_control", kFileBytesMax)) {
      if (counter(*v1, "oom_kill") == 0) return std::nullopt;
      return MemoryKills{number_in(folder + "/memory.failcnt") > 0,
                         limit_in(folder + "/memory.limit_in_bytes"), counter(*v1, "oom_kill")};
    }
  }
  return std::nullopt;
}

void explain_memory_kill(const std::vector<std::string>& cgroups, Ending& ending,
                         int64_t kills_before) {
  if (ending.cause != EndCause::kExited || ending.status == 0) return;
  const std::optional<MemoryKills> kills = memory_kills(cgroups);
  if (!kills || kills->kills <= kills_before) return;
  const bool limited = kills->at_limit && kills->limit_bytes > 0;
  const std::string why = limited ? fmt::format("used more than its memory limit of {}",
                                                format_size(kills->limit_bytes))
                                  : std::string("was killed because the node's memory was used up");
  // A program that lived on and failed has a status of its own: it was one of its processes.
  ending.reason = ending.status == 128 + SIGKILL
                      ? why
                      : fmt::format("exited with {}; a process of it {}{}", ending.status, why,
                                    limited ? " and was killed" : "");
  ending.hint = limited ? "a larger --memory" : "devrun nodes";
}

}  // namespace devrun::shim
