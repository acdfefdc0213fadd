// Three sources, and the largest number of each kind counts: cgroup v2 tells all, v1 the memory and, where its own
// controller is there, the rest; /proc tells what living processes used with those that they have waited for.
#include "agent/sandbox/usage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>

#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr size_t kFileBytesMax = 64 << 10;
constexpr size_t kProcessesMax = 4096;  // beyond that /proc is not asked
constexpr int64_t kNanosecondsInOne = 1000;

std::string text_of(const std::string& file) {
  Result<std::string> text = read_file(file, kFileBytesMax);
  return text ? std::move(*text) : std::string();
}

int64_t number_in(const std::string& file) {
  return std::strtoll(text_of(file).c_str(), nullptr, 10);
}

void at_least(int64_t& value, int64_t least) {
  value = std::max(value, least);
}

// "usage_usec 12" and, in io.stat, "8:0 rbytes=1 wbytes=2 …" for each device.
int64_t word_after(const std::string& text, std::string_view name) {
  int64_t sum = 0;
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    sum += std::strtoll(text.c_str() + at + name.size(), nullptr, 10);
  }
  return sum;
}

void add_v2(const std::string& folder, Usage& out) {
  at_least(out.cpu.us, word_after(text_of(folder + "/cpu.stat"), "usage_usec "));
  out.memory_bytes = std::max(out.memory_bytes, number_in(folder + "/memory.current"));
  at_least(out.memory_peak_bytes, number_in(folder + "/memory.peak"));
  const std::string io = text_of(folder + "/io.stat");
  at_least(out.read_bytes, word_after(io, " rbytes="));
  at_least(out.written_bytes, word_after(io, " wbytes="));
}

void add_v1(const std::string& folder, Usage& out) {
  at_least(out.cpu.us, number_in(folder + "/cpuacct.usage") / kNanosecondsInOne);
  out.memory_bytes = std::max(out.memory_bytes, number_in(folder + "/memory.usage_in_bytes"));
  at_least(out.memory_peak_bytes, number_in(folder + "/memory.max_usage_in_bytes"));
}

void add_process(const std::string& pid, Usage& out) {
  static const int64_t kTicks = ::sysconf(_SC_CLK_TCK);
  const std::string stat = text_of("/proc/" + pid + "/stat");
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return;
  std::istringstream fields(stat.substr(after_name + 1));
  std::string field;
  constexpr int kUserTime = 12;  // utime, stime, cutime, cstime, counted from the state
  int64_t ticks = 0;
  for (int i = 1; i < kUserTime + 4 && fields >> field; ++i) {
    if (i >= kUserTime) ticks += std::strtoll(field.c_str(), nullptr, 10);
  }
  out.cpu.us += ticks * 1'000'000 / kTicks;
  const std::string io = text_of("/proc/" + pid + "/io");
  out.read_bytes += word_after(io, "\nread_bytes: ");
  out.written_bytes += word_after(io, "\nwrite_bytes: ");
  const std::string status = text_of("/proc/" + pid + "/status");
  out.memory_bytes += word_after(status, "RssAnon:") * 1024;
}

Usage usage_of_processes(const std::vector<std::string>& cgroups) {
  std::set<std::string> pids;
  for (const std::string& folder : cgroups) {
    std::istringstream lines(text_of(folder + "/cgroup.procs"));
    for (std::string pid; lines >> pid && pids.size() <= kProcessesMax;) pids.insert(pid);
  }
  Usage out;
  if (pids.size() > kProcessesMax) return out;
  for (const std::string& pid : pids) add_process(pid, out);
  return out;
}

}  // namespace

Usage usage_of(const std::vector<std::string>& cgroups) {
  Usage out;
  for (const std::string& folder : cgroups) {
    add_v2(folder, out);
    add_v1(folder, out);
  }
  const Usage living = usage_of_processes(cgroups);
  at_least(out.cpu.us, living.cpu.us);
  at_least(out.read_bytes, living.read_bytes);
  at_least(out.written_bytes, living.written_bytes);
  if (out.memory_bytes == 0) out.memory_bytes = living.memory_bytes;
  at_least(out.memory_peak_bytes, out.memory_bytes);
  return out;
}

}  // namespace devrun::sandbox
