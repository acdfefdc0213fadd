#include "common/runtime/process_id.h"

#include <fmt/format.h>

#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun {

std::optional<uint64_t> parse_stat(std::string_view stat) {
  // The name, in parentheses, may hold anything; what follows the last one may not.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return std::nullopt;
  std::string_view rest = stat.substr(name_end + 2);
  if (rest.starts_with('Z') || rest.starts_with('X')) return std::nullopt;
  constexpr int kFieldsBetween = 19;  // from the state, field 3, to the start time, field 22
  for (int i = 0; i < kFieldsBetween; ++i) {
    const size_t space = rest.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(space + 1);
  }
  return parse_number<uint64_t>(rest.substr(0, rest.find(' ')));
}

std::optional<ProcessId> identify(pid_t pid) {
  const Result<std::string> stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return std::nullopt;
  const std::optional<uint64_t> start = parse_stat(*stat);
  if (!start) return std::nullopt;
  return ProcessId{pid, *start};
}

bool is_alive(const ProcessId& process) {
  const std::optional<ProcessId> now = identify(process.pid);
  return now && *now == process;
}

Status write_pid_file(const std::string& path, const ProcessId& process) {
  return write_file_atomically(path, fmt::format("{} {}\n", process.pid, process.start_ticks));
}

std::optional<ProcessId> read_pid_file(const std::string& path) {
  const Result<std::string> text = read_file(path, 4096);
  if (!text || !text->ends_with('\n')) return std::nullopt;
  const std::string_view line = std::string_view(*text).substr(0, text->size() - 1);
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto pid = parse_number<pid_t>(line.substr(0, space));
  const auto start = parse_number<uint64_t>(line.substr(space + 1));
  if (!pid || *pid <= 1 || !start) return std::nullopt;
  return ProcessId{*pid, *start};
}

}  // namespace devrun
