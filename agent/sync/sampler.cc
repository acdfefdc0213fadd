#include "agent/sync/sampler.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "common/model/gpu_numbers.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/file.h"
#include "common/wire/sample.h"

namespace devrun::agent {

namespace {

constexpr auto kTellWithin = std::chrono::milliseconds(1500);
constexpr auto kListWithin = std::chrono::seconds(2);
constexpr size_t kFileBytesMax = 256 << 10;
constexpr double kEveryMaxS = 60;

std::string text_of(const char* file) {
  Result<std::string> text = read_file(file, kFileBytesMax);
  return text ? std::move(*text) : std::string();
}

double seconds_between(Time from, Time to) {
  return static_cast<double>((to - from).us) / 1e6;
}

int64_t per_second(int64_t before, int64_t after, double passed_s) {
  return after > before ? static_cast<int64_t>(static_cast<double>(after - before) / passed_s) : 0;
}

// Of this thread alone.
double cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

}  // namespace

struct Sampler::Answered {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<std::vector<SampledAttempt>> live;
};

NodeSample Rates::machine(const MachineCounters& counters, const MachineMemory& memory, Time now) {
  NodeSample out;
  out.memory_bytes = memory.used_bytes;
  out.memory_total_bytes = memory.total_bytes;
  const double passed_s = seconds_between(counted_, now);
  const uint64_t ticks = counters.all_ticks - counters_.all_ticks;
  if (counted_.us != 0 && passed_s > 0 && counters.all_ticks > counters_.all_ticks) {
    const uint64_t busy = counters.busy_ticks - std::min(counters.busy_ticks, counters_.busy_ticks);
    out.cpu_permille = static_cast<uint32_t>(std::min<uint64_t>(1000, busy * 1000 / ticks));
    out.read_bytes_s = per_second(static_cast<int64_t>(counters_.read_bytes),
                                  static_cast<int64_t>(counters.read_bytes), passed_s);
    out.written_bytes_s = per_second(static_cast<int64_t>(counters_.written_bytes),
                                     static_cast<int64_t>(counters.written_bytes), passed_s);
  }
  counters_ = counters;
  counted_ = now;
  return out;
}

AttemptSample Rates::attempt(const AttemptKey& key, const Usage& usage, Time now) {
  AttemptSample out;
  out.key = key;
  out.memory_bytes = usage.memory_bytes;
  const auto before = attempts_.find(key);
  if (before != attempts_.end()) {
    const Seen& seen = before->second;
    const double passed_s = seconds_between(seen.at, now);
    if (passed_s > 0) {
      out.cpu_milli = static_cast<uint32_t>(std::min<int64_t>(
          per_second(seen.usage.cpu.us, usage.cpu.us, passed_s) / 1000, UINT32_MAX));
      out.read_bytes_s = per_second(seen.usage.read_bytes, usage.read_bytes, passed_s);
      out.written_bytes_s = per_second(seen.usage.written_bytes, usage.written_bytes, passed_s);
    }
  }
  attempts_[key] = {usage, now};
  return out;
}

void Rates::forget_others(const std::vector<SampledAttempt>& live) {
  std::erase_if(attempts_, [&](const auto& seen) {
    return std::ranges::none_of(live, [&](const auto& one) { return one.key == seen.first; });
  });
}

void add_gpus(const std::map<uint32_t, GpuSample>& busy, const std::vector<uint32_t>& indices,
              AttemptSample& out) {
  // Drivers tell no use of what is sliced: nobody may take that for idleness.
  if (std::ranges::any_of(indices, is_slice_number)) return;
  uint32_t percents = 0;
  bool all_told = true;
  for (const uint32_t index : indices) {
    const auto found = busy.find(index);
    if (found == busy.end()) {
      all_told = false;
      continue;
    }
    ++out.gpus;
    percents += found->second.busy_percent;
    out.gpu_memory_bytes += found->second.memory_bytes;
  }
  // Up: one of eight that does a little is not idle.
  if (out.gpus != 0) out.gpu_busy_percent = (percents + out.gpus - 1) / out.gpus;
  // Nor of one that does nothing, beside others of which nothing is told.
  if (out.gpu_busy_percent == 0 && !all_told) out.gpus = 0;
}

Sampler::Sampler(std::shared_ptr<grpc::Channel> controller, sandbox::Sandboxes& sandboxes,
                 Gpus gpus, List list)
    : controller_(devrun::v1::Samples::NewStub(std::move(controller))),
      sandboxes_(sandboxes),
      gpus_(std::move(gpus)),
      list_(std::move(list)),
      answered_(std::make_shared<Answered>()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Sampler::~Sampler() = default;

std::vector<SampledAttempt> Sampler::live_attempts(const std::stop_token& stop) {
  list_([answered = answered_](std::vector<SampledAttempt> live) {
    const std::lock_guard lock(answered->mutex);
    answered->live = std::move(live);
    answered->changed.notify_all();
  });
  std::unique_lock lock(answered_->mutex);
  answered_->changed.wait_for(lock, stop, kListWithin, [&] { return answered_->live.has_value(); });
  auto live = std::exchange(answered_->live, std::nullopt);
  return live ? std::move(*live) : std::vector<SampledAttempt>();
}

NodeSample Sampler::sample(const std::vector<SampledAttempt>& live) {
  NodeSample out = rates_.machine(parse_counters(text_of("/proc/stat"), text_of("/proc/diskstats")),
                                  parse_memory(text_of("/proc/meminfo")), boot_clock());
  const std::map<uint32_t, GpuSample> busy = gpus_();
  for (const auto& [index, gpu] : busy) {
    if (out.gpus.size() < kSampledGpusMax) out.gpus.push_back(gpu);
  }
  rates_.forget_others(live);
  for (const SampledAttempt& one : live) {
    if (out.attempts.size() >= kSampledAttemptsMax) break;
    const Result<Usage> used = sandboxes_.usage(one.key);
    if (!used) continue;
    out.attempts.push_back(rates_.attempt(one.key, *used, boot_clock()));
    add_gpus(busy, one.gpus, out.attempts.back());
  }
  return out;
}

void Sampler::tell(const NodeSample& sample) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTellWithin);
  devrun::v1::TellSampleReply reply;
  static_cast<void>(controller_->TellSample(&context, wire::to_proto(sample), &reply));
}

void Sampler::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const double before = cpu_seconds();
    tell(sample(live_attempts(stop)));
    const double pause_s = std::clamp((cpu_seconds() - before) / kCoreShareMax,
                                      static_cast<double>(kSampleEvery.us) / 1e6, kEveryMaxS);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, std::chrono::duration<double>(pause_s), [] { return false; });
  }
}

}  // namespace devrun::agent
