// How busy the machine is, from the kernel's own counters. Pure: texts of /proc in, numbers out.
#pragma once

#include <cstdint>
#include <string_view>

namespace devrun::agent {

// Counters since the machine started.
struct MachineCounters {
  uint64_t busy_ticks = 0;  // of all cores
  uint64_t all_ticks = 0;
  uint64_t read_bytes =
      0;  // of whole disks; not of partitions, loop devices and what lies on others
  uint64_t written_bytes = 0;
};
struct MachineMemory {
  int64_t used_bytes = 0;  // without what the kernel would give back
  int64_t total_bytes = 0;
};

// /proc/stat, /proc/diskstats; what is not there stays 0.
MachineCounters parse_counters(std::string_view stat, std::string_view diskstats);
// /proc/meminfo.
MachineMemory parse_memory(std::string_view meminfo);

}  // namespace devrun::agent
