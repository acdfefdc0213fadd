#include "cli/output/gpu_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/console.h"
#include "cli/output/table.h"
#include "cli/output/text_parts.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

const GpuSample* sample_of(const NodeRecord& node, uint32_t index) {
  const auto found = std::ranges::find(node.gpu_samples, index, &GpuSample::index);
  return found == node.gpu_samples.end() ? nullptr : &*found;
}

// A shared one has several.
std::string holders_text(const NodeRecord& node, uint32_t index) {
  std::string out;
  for (const NodeRecord::GpuHolder& holder : node.gpu_holders) {
    if (std::ranges::count(holder.gpus, index) == 0) continue;
    out += (out.empty() ? "" : ",") + to_string(holder.key);
  }
  return out.empty() ? "-" : out;
}

std::string name_text(const Gpu& gpu) {
  const std::string name = printable(gpu.name);
  return gpu.slice.empty() ? name : fmt::format("{} (a slice of GPU {})", name, gpu.slice_of);
}

std::string process_line(const Gpu& gpu, const GpuProcess& process) {
  const std::string memory =
      process.memory_bytes == 0 ? "" : fmt::format(", {}", format_size(process.memory_bytes));
  const std::string whose = process.key ? fmt::format("of job {}", to_string(*process.key))
                                        : std::string("not started by devrun");
  return fmt::format("GPU {}: {} (pid {}{}), {}\n", gpu.index,
                     process.program.empty() ? "a program" : printable(process.program),
                     process.pid, memory, whose);
}

}  // namespace

std::string bad_gpus_text(const NodeRecord& node) {
  std::string out;
  for (const Gpu& gpu : node.hello.gpus) {
    if (gpu.trouble.empty()) continue;
    out += fmt::format("GPU {} of {} takes no jobs: {}\n", gpu.index, node.hello.name,
                       printable(gpu.trouble));
  }
  return out;
}

std::string gpus_text(const NodeRecord& node) {
  std::string out;
  if (!node.hello.gpu_driver.empty()) line(out, "GPU driver", node.hello.gpu_driver);
  if (node.hello.gpus.empty()) return out;
  Table table({"GPU", "TYPE", "MEMORY", "USED", "BUSY", "TEMP", "POWER", "LINK", "JOB", "NAME"});
  for (const Gpu& gpu : node.hello.gpus) {
    const GpuSample* sample = sample_of(node, gpu.index);
    const auto told = [&](bool is, std::string text) {
      return sample != nullptr && is ? std::move(text) : std::string("-");
    };
    const GpuSample now = sample == nullptr ? GpuSample{} : *sample;
    table.add({fmt::format("{}", gpu.index), gpu.type, format_size(gpu.memory_bytes),
               told(true, format_size(now.memory_bytes)),
               // Of slices the driver tells no use.
               told(gpu.slice.empty(), fmt::format("{}%", now.busy_percent)),
               told(now.temperature_c != 0, fmt::format("{} C", now.temperature_c)),
               told(now.power_mw != 0, fmt::format("{} W", now.power_mw / 1000)),
               gpu.link == 0 ? "-" : fmt::format("{}", gpu.link), holders_text(node, gpu.index),
               name_text(gpu)});
  }
  out += "\n" + table.render();
  out += bad_gpus_text(node);
  for (const Gpu& gpu : node.hello.gpus) {
    const GpuSample* sample = sample_of(node, gpu.index);
    for (const GpuProcess& process :
         sample == nullptr ? std::vector<GpuProcess>() : sample->processes) {
      out += process_line(gpu, process);
    }
  }
  return out;
}

}  // namespace devrun::cli
