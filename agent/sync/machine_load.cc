#include "agent/sync/machine_load.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string>

namespace devrun::agent {

namespace {

constexpr uint64_t kSectorBytes = 512;

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

uint64_t take_number(std::string_view& line) {
  const std::string_view word = take_word(line);
  uint64_t out = 0;
  std::from_chars(word.data(), word.data() + word.size(), out);
  return out;
}

bool ends_in_digit(std::string_view name) {
  return !name.empty() && name.back() >= '0' && name.back() <= '9';
}

// A whole disk: sda, vdb, nvme0n1, but no partition of one, and nothing that lies on others.
bool is_disk(std::string_view name) {
  for (const std::string_view made_up : {"loop", "ram", "zram", "dm-", "md", "sr", "fd"}) {
    if (name.starts_with(made_up)) return false;
  }
  if (name.starts_with("nvme") || name.starts_with("mmcblk") || name.starts_with("nbd")) {
    return name.find('p', 4) == std::string_view::npos;
  }
  return !ends_in_digit(name);
}

}  // namespace

MachineCounters parse_counters(std::string_view stat, std::string_view diskstats) {
  MachineCounters out;
  std::string_view line = take_line(stat);
  if (take_word(line) == "cpu") {
    // user nice system idle iowait irq softirq steal; guest time is in user's already.
    for (int i = 0; i < 8; ++i) {
      const uint64_t ticks = take_number(line);
      const bool idle = i == 3 || i == 4;
      out.all_ticks += ticks;
      if (!idle) out.busy_ticks += ticks;
    }
  }
  while (!diskstats.empty()) {
    line = take_line(diskstats);
    take_number(line);
    take_number(line);
    if (!is_disk(take_word(line))) continue;
    std::array<uint64_t, 7> fields{};
    for (uint64_t& field : fields) field = take_number(line);
    out.read_bytes += fields[2] * kSectorBytes;
    out.written_bytes += fields[6] * kSectorBytes;
  }
  return out;
}

MachineMemory parse_memory(std::string_view meminfo) {
  int64_t total = 0;
  int64_t available = 0;
  while (!meminfo.empty()) {
    std::string_view line = take_line(meminfo);
    const std::string_view name = take_word(line);
    if (name == "MemTotal:") total = static_cast<int64_t>(take_number(line)) << 10;
    if (name == "MemAvailable:") available = static_cast<int64_t>(take_number(line)) << 10;
  }
  return {std::max<int64_t>(0, total - available), total};
}

}  // namespace devrun::agent
