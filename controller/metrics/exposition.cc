#include "controller/metrics/exposition.h"

#include <fmt/format.h>

namespace devrun::controller {

namespace {

// Backslash, quote and line end are escaped in a label's value.
std::string quoted(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Text {
 public:
  void head(const char* name, const char* help) {
    out_ += fmt::format("# HELP {} {}\n# TYPE {} gauge\n", name, help, name);
  }
  template <typename Number>
  void value(const char* name, const std::string& labels, Number number) {
    out_ += labels.empty() ? fmt::format("{} {}\n", name, number)
                           : fmt::format("{}{{{}}} {}\n", name, labels, number);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string label(const char* name, const std::string& value) {
  return fmt::format("{}={}", name, quoted(value));
}

void add_nodes(Text& out, const std::vector<NodeSample>& samples) {
  struct Gauge {
    const char* name;
    const char* help;
    double (*of)(const NodeSample& node);
  };
  constexpr Gauge kGauges[] = {
      {"devrun_node_cpu_ratio", "Part of all cores of the machine that is busy.",
       [](const NodeSample& node) { return node.cpu_permille / 1000.0; }},
      {"devrun_node_memory_bytes", "Memory in use, without what the kernel would give back.",
       [](const NodeSample& node) { return static_cast<double>(node.memory_bytes); }},
      {"devrun_node_memory_total_bytes", "Memory of the machine.",
       [](const NodeSample& node) { return static_cast<double>(node.memory_total_bytes); }},
      {"devrun_node_disk_read_bytes_per_second", "Read from disks.",
       [](const NodeSample& node) { return static_cast<double>(node.read_bytes_s); }},
      {"devrun_node_disk_written_bytes_per_second", "Written to disks.",
       [](const NodeSample& node) { return static_cast<double>(node.written_bytes_s); }},
      {"devrun_node_attempts", "Programs of jobs that run.",
       [](const NodeSample& node) { return static_cast<double>(node.attempts.size()); }},
  };
  for (const Gauge& gauge : kGauges) {
    out.head(gauge.name, gauge.help);
    for (const NodeSample& node : samples) {
      out.value(gauge.name, label("node", node.node), gauge.of(node));
    }
  }
}

void add_gpus(Text& out, const std::vector<NodeSample>& samples) {
  struct Gauge {
    const char* name;
    const char* help;
    double (*of)(const GpuSample& gpu);
  };
  constexpr Gauge kGauges[] = {
      {"devrun_gpu_busy_ratio", "Part of the time in which the GPU ran something.",
       [](const GpuSample& gpu) { return gpu.busy_percent / 100.0; }},
      {"devrun_gpu_memory_bytes", "Memory of the GPU in use.",
       [](const GpuSample& gpu) { return static_cast<double>(gpu.memory_bytes); }},
      {"devrun_gpu_memory_total_bytes", "Memory of the GPU.",
       [](const GpuSample& gpu) { return static_cast<double>(gpu.memory_total_bytes); }},
      {"devrun_gpu_power_watts", "Power that the GPU draws; 0: not told.",
       [](const GpuSample& gpu) { return gpu.power_mw / 1000.0; }},
      {"devrun_gpu_temperature_celsius", "Temperature of the GPU; 0: not told.",
       [](const GpuSample& gpu) { return static_cast<double>(gpu.temperature_c); }},
  };
  for (const Gauge& gauge : kGauges) {
    out.head(gauge.name, gauge.help);
    for (const NodeSample& node : samples) {
      for (const GpuSample& gpu : node.gpus) {
        out.value(gauge.name,
                  label("node", node.node) + "," + label("gpu", fmt::format("{}", gpu.index)),
                  gauge.of(gpu));
      }
    }
  }
}

}  // namespace

std::string exposition(const ClusterNumbers& numbers) {
  Text out;
  out.head("devrun_jobs", "Jobs in memory, by state.");
  for (const auto& [state, count] : numbers.jobs) {
    out.value("devrun_jobs", label("state", state), count);
  }
  out.head("devrun_jobs_waiting", "Jobs with a task to place.");
  out.value("devrun_jobs_waiting", "", numbers.waiting);
  out.head("devrun_nodes", "Nodes, by what they can be used for.");
  for (const auto& [state, count] : numbers.nodes) {
    out.value("devrun_nodes", label("state", state), count);
  }
  out.head("devrun_user_gpus", "GPUs that a user's jobs hold.");
  for (const auto& [user, count] : numbers.gpus_used) {
    out.value("devrun_user_gpus", label("user", user), count);
  }
  out.head("devrun_node_promised_cores", "Cores that are promised to jobs.");
  for (const auto& [node, promised] : numbers.promised) {
    out.value("devrun_node_promised_cores", label("node", node),
              static_cast<double>(promised.first) / 1000);
  }
  out.head("devrun_node_promised_gpus", "GPUs that are promised to jobs.");
  for (const auto& [node, promised] : numbers.promised) {
    out.value("devrun_node_promised_gpus", label("node", node), promised.second);
  }
  add_nodes(out, numbers.samples);
  add_gpus(out, numbers.samples);
  return out.take();
}

}  // namespace devrun::controller
