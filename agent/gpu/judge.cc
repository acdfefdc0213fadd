#include "agent/gpu/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/gpu/health.h"
#include "common/runtime/file.h"

namespace devrun::gpu {

namespace {

constexpr size_t kNamedMax = 2;
constexpr size_t kListBytesMax = 64 << 10;

std::string say(const std::vector<GpuProcess>& strangers) {
  std::string out;
  for (size_t i = 0; i < std::min(strangers.size(), kNamedMax); ++i) {
    const GpuProcess& one = strangers[i];
    out += fmt::format("{}{} (pid {})", i == 0 ? "" : ", ",
                       one.program.empty() ? "a program" : one.program, one.pid);
  }
  if (strangers.size() > kNamedMax)
    out += fmt::format(" and {} more", strangers.size() - kNamedMax);
  return out;
}

}  // namespace

void Judge::judge(std::vector<FoundGpu>& gpus) {
  std::map<uint32_t, std::set<uint32_t>> seen;
  for (FoundGpu& found : gpus) {
    found.gpu.trouble = trouble_of(found.facts);
    std::vector<GpuProcess> strangers;
    const std::set<uint32_t>& before = strangers_[found.gpu.index];
    for (GpuProcess& process : found.sample.processes) {
      const Owner owner = owner_(process.pid);
      process.key = owner.key;
      if (!owner.known || owner.key) continue;
      seen[found.gpu.index].insert(process.pid);
      if (before.count(process.pid) != 0) strangers.push_back(process);
    }
    std::sort(strangers.begin(), strangers.end(),
              [](const GpuProcess& a, const GpuProcess& b) { return a.pid < b.pid; });
    found.gpu.others = say(strangers);
    std::stable_sort(
        found.sample.processes.begin(), found.sample.processes.end(),
        [](const GpuProcess& a, const GpuProcess& b) { return !a.key && b.key.has_value(); });
    if (found.sample.processes.size() > kSampledProcessesMax) {
      found.sample.processes.resize(kSampledProcessesMax);
    }
  }
  strangers_ = std::move(seen);
}

std::optional<AttemptKey> attempt_of_cgroups(std::string_view lines, std::string_view parent) {
  const std::string mark = fmt::format("/{}/", parent);
  for (size_t at = lines.find(mark); at != std::string_view::npos; at = lines.find(mark, at + 1)) {
    std::string_view name = lines.substr(at + mark.size());
    name = name.substr(0, name.find_first_of("/\n"));
    if (const Result<AttemptKey> key = parse_folder_name(name)) return *key;
  }
  return std::nullopt;
}

Owner owner_by_cgroup(uint32_t pid, std::string_view parent) {
  const Result<std::string> lines = read_file(fmt::format("/proc/{}/cgroup", pid), kListBytesMax);
  if (!lines || lines->empty()) return {};
  return {true, attempt_of_cgroups(*lines, parent)};
}

}  // namespace devrun::gpu
