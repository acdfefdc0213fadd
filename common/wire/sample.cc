#include "common/wire/sample.h"

#include <algorithm>

#include "common/base/utf8.h"
#include "common/wire/job.h"

namespace devrun::wire {

namespace {

constexpr uint32_t kPercentMax = 100;
constexpr uint32_t kPermilleMax = 1000;
constexpr size_t kProgramBytesMax = 64;

pb::AttemptSample attempt_to_proto(const AttemptSample& in) {
  pb::AttemptSample out;
  *out.mutable_key() = to_proto(in.key);
  out.set_cpu_milli(in.cpu_milli);
  out.set_memory_bytes(in.memory_bytes);
  out.set_read_bytes_s(in.read_bytes_s);
  out.set_written_bytes_s(in.written_bytes_s);
  out.set_gpus(in.gpus);
  out.set_gpu_busy_percent(in.gpu_busy_percent);
  out.set_gpu_memory_bytes(in.gpu_memory_bytes);
  out.set_gpu_idle_s(in.gpu_idle_s);
  return out;
}

Result<AttemptSample> attempt_from_proto(const pb::AttemptSample& in) {
  AttemptSample out;
  out.key = TRY(from_proto(in.key()));
  out.cpu_milli = in.cpu_milli();
  out.memory_bytes = std::max<int64_t>(0, in.memory_bytes());
  out.read_bytes_s = std::max<int64_t>(0, in.read_bytes_s());
  out.written_bytes_s = std::max<int64_t>(0, in.written_bytes_s());
  out.gpus = in.gpus();
  out.gpu_busy_percent = std::min(kPercentMax, in.gpu_busy_percent());
  out.gpu_memory_bytes = std::max<int64_t>(0, in.gpu_memory_bytes());
  out.gpu_idle_s = in.gpu_idle_s();
  return out;
}

}  // namespace

pb::GpuSample to_proto(const GpuSample& in) {
  pb::GpuSample out;
  out.set_index(in.index);
  out.set_busy_percent(in.busy_percent);
  out.set_memory_bytes(in.memory_bytes);
  out.set_memory_total_bytes(in.memory_total_bytes);
  out.set_temperature_c(in.temperature_c);
  out.set_power_mw(in.power_mw);
  for (const GpuProcess& process : in.processes) {
    pb::GpuProcess& one = *out.add_processes();
    one.set_pid(process.pid);
    one.set_memory_bytes(process.memory_bytes);
    one.set_program(in_utf8(process.program));
    if (process.key) *one.mutable_key() = to_proto(*process.key);
  }
  return out;
}

Result<GpuSample> from_proto(const pb::GpuSample& in) {
  GpuSample out{in.index(),
                std::min(kPercentMax, in.busy_percent()),
                std::max<int64_t>(0, in.memory_bytes()),
                std::max<int64_t>(0, in.memory_total_bytes()),
                in.temperature_c(),
                in.power_mw()};
  for (const pb::GpuProcess& process : in.processes()) {
    if (out.processes.size() >= kSampledProcessesMax) break;
    out.processes.push_back({process.pid(), std::max<int64_t>(0, process.memory_bytes()),
                             process.program().substr(0, kProgramBytesMax)});
    if (process.has_key()) out.processes.back().key = TRY(from_proto(process.key()));
  }
  return out;
}

pb::NodeSample to_proto(const NodeSample& in) {
  pb::NodeSample out;
  out.set_node(in.node);
  out.set_cpu_permille(in.cpu_permille);
  out.set_memory_bytes(in.memory_bytes);
  out.set_memory_total_bytes(in.memory_total_bytes);
  out.set_read_bytes_s(in.read_bytes_s);
  out.set_written_bytes_s(in.written_bytes_s);
  for (const GpuSample& gpu : in.gpus) {
    *out.add_gpus() = to_proto(gpu);
  }
  for (const AttemptSample& attempt : in.attempts) *out.add_attempts() = attempt_to_proto(attempt);
  return out;
}

Result<NodeSample> from_proto(const pb::NodeSample& in) {
  if (static_cast<size_t>(in.gpus_size()) > kSampledGpusMax ||
      static_cast<size_t>(in.attempts_size()) > kSampledAttemptsMax) {
    return Error{Code::kInvalid, "a sample of too many GPUs or attempts", {}};
  }
  NodeSample out;
  out.node = in.node();
  out.cpu_permille = std::min(kPermilleMax, in.cpu_permille());
  out.memory_bytes = std::max<int64_t>(0, in.memory_bytes());
  out.memory_total_bytes = std::max<int64_t>(0, in.memory_total_bytes());
  out.read_bytes_s = std::max<int64_t>(0, in.read_bytes_s());
  out.written_bytes_s = std::max<int64_t>(0, in.written_bytes_s());
  for (const pb::GpuSample& gpu : in.gpus()) {
    out.gpus.push_back(TRY(from_proto(gpu)));
  }
  for (const pb::AttemptSample& attempt : in.attempts()) {
    out.attempts.push_back(TRY(attempt_from_proto(attempt)));
  }
  return out;
}

pb::Series to_proto(const LoadSeries& in) {
  pb::Series out;
  out.set_name(in.name);
  out.set_step_us(in.step_us);
  out.set_end_us(in.end_us);
  for (const Load& point : in.points) {
    out.add_cpu_milli(point.cpu_milli);
    out.add_memory_mib(point.memory_mib);
    if (in.has_gpus) out.add_gpu_percent(point.gpu_percent);
    out.add_io_kib_s(point.io_kib_s);
  }
  return out;
}

LoadSeries from_proto(const pb::Series& in) {
  LoadSeries out{in.name(), in.step_us(), in.end_us(), in.gpu_percent_size() != 0, {}};
  const auto at = [](const auto& list, int i) { return i < list.size() ? list.Get(i) : 0; };
  for (int i = 0; i < in.cpu_milli_size(); ++i) {
    out.points.push_back(
        {in.cpu_milli(i), at(in.memory_mib(), i), at(in.gpu_percent(), i), at(in.io_kib_s(), i)});
  }
  return out;
}

}  // namespace devrun::wire
