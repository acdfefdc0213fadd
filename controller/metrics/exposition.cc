#include "controller/metrics/exposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/model/gpu_numbers.h"

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
    bool of_use = false;  // drivers tell none of slices
  };
  constexpr Gauge kGauges[] = {
      {"devrun_gpu_busy_ratio", "Part of the time in which the GPU ran something.",
       [](const GpuSample& gpu) { return gpu.busy_percent / 100.0; }, true},
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
        if (gauge.of_use && is_slice_number(gpu.index)) continue;
        out.value(gauge.name,
                  label("node", node.node) + "," + label("gpu", fmt::format("{}", gpu.index)),
                  gauge.of(gpu));
      }
    }
  }
}

struct OfJob {
  int64_t cpu_milli = 0, memory_bytes = 0, gpus = 0, gpu_percents = 0, gpu_memory_bytes = 0;
};
using ByJobAndNode = std::map<std::pair<JobId, std::string>, OfJob>;

void add(OfJob& out, const AttemptSample& one) {
  out.cpu_milli += one.cpu_milli;
  out.memory_bytes += one.memory_bytes;
  out.gpus += one.gpus;
  out.gpu_percents += int64_t{one.gpus} * one.gpu_busy_percent;
  out.gpu_memory_bytes += one.gpu_memory_bytes;
}

void add_job_gauges(Text& out, const ClusterNumbers& numbers, const ByJobAndNode& jobs) {
  struct Gauge {
    const char* name;
    const char* help;
    bool of_gpus;
    double (*of)(const OfJob& job);
  };
  constexpr Gauge kGauges[] = {
      {"devrun_job_cpu_cores", "Cores that a job's programs keep busy, by node.", false,
       [](const OfJob& job) { return static_cast<double>(job.cpu_milli) / 1000; }},
      {"devrun_job_memory_bytes", "Memory of a job's programs, by node.", false,
       [](const OfJob& job) { return static_cast<double>(job.memory_bytes); }},
      {"devrun_job_gpu_busy_ratio",
       "Part of the time in which a job's GPUs ran something, their mean.", true,
       [](const OfJob& job) {
         return static_cast<double>(job.gpu_percents) / static_cast<double>(job.gpus) / 100;
       }},
      {"devrun_job_gpu_memory_bytes", "Memory of a job's GPUs in use.", true,
       [](const OfJob& job) { return static_cast<double>(job.gpu_memory_bytes); }},
  };
  for (const Gauge& gauge : kGauges) {
    out.head(gauge.name, gauge.help);
    for (const auto& [key, job] : jobs) {
      if (gauge.of_gpus && job.gpus == 0) continue;
      out.value(gauge.name,
                label("user", numbers.users.at(key.first)) + "," +
                    label("job", fmt::format("{}", key.first)) + "," + label("node", key.second),
                gauge.of(job));
    }
  }
}

// A series for each job without end would be too much for who collects them: the newest have one.
void add_jobs(Text& out, const ClusterNumbers& numbers) {
  std::set<JobId> known;
  for (const NodeSample& node : numbers.samples) {
    for (const AttemptSample& attempt : node.attempts) {
      if (numbers.users.count(attempt.key.job) != 0) known.insert(attempt.key.job);
    }
  }
  const size_t left_out = known.size() - std::min(known.size(), kJobsInMetricsMax);
  const JobId first =
      known.empty() ? 0 : *std::next(known.begin(), static_cast<std::ptrdiff_t>(left_out));
  ByJobAndNode jobs;
  for (const NodeSample& node : numbers.samples) {
    for (const AttemptSample& attempt : node.attempts) {
      if (attempt.key.job < first || known.count(attempt.key.job) == 0) continue;
      add(jobs[{attempt.key.job, node.node}], attempt);
    }
  }
  add_job_gauges(out, numbers, jobs);
  out.head("devrun_jobs_without_series",
           "Jobs that run and are too old to have series of their own.");
  out.value("devrun_jobs_without_series", "", left_out);
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
  add_jobs(out, numbers);
  return out.take();
}

}  // namespace devrun::controller
