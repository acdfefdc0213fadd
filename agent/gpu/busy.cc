#include "agent/gpu/busy.h"

#include <charconv>
#include <chrono>

#include "agent/gpu/driver_files.h"
#include "common/base/log.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/child.h"

namespace devrun::gpu {

namespace {

constexpr Duration kTellFor = seconds(10);
constexpr const char* kEveryMs = "2000";
constexpr int kPauseLooks = 300;  // after its end, of 100 ms each
constexpr auto kPauseLook = std::chrono::milliseconds(100);

template <typename T>
bool take_number(std::string_view& line, T& out) {
  const char* end = line.data() + line.size();
  const auto [stop, failed] = std::from_chars(line.data(), end, out);
  if (failed != std::errc{}) return false;
  line.remove_prefix(static_cast<size_t>(stop - line.data()));
  if (!line.empty() && line.front() != '\t') return false;
  if (!line.empty()) line.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<GpuSample> parse_busy(std::string_view line) {
  GpuSample out;
  if (!take_number(line, out.index) || !take_number(line, out.busy_percent) ||
      !take_number(line, out.memory_bytes) || !take_number(line, out.memory_total_bytes)) {
    return std::nullopt;
  }
  if (!line.empty() || out.busy_percent > 100) return std::nullopt;
  return out;
}

std::vector<std::string> busy_words(const std::string& program, const std::string& driver_root) {
  std::vector<std::string> out{program, "--every", kEveryMs};
  if (driver_root == "/") return out;
  const std::string library = find_library(driver_root, "libnvidia-ml.so.1");
  if (library.empty()) return {};
  out.push_back(library);
  return out;
}

BusyWatch::BusyWatch(std::vector<std::string> words) : words_(std::move(words)) {
  if (!words_.empty()) thread_ = std::thread([this] { run(); });
}

BusyWatch::~BusyWatch() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void BusyWatch::run() {
  while (!stop_) {
    ChildOptions options;
    options.stop = &stop_;
    options.line = [this](std::string_view line) {
      const auto sample = parse_busy(line);
      if (!sample) return;
      const std::lock_guard lock(mutex_);
      if (told_.size() < kSampledGpusMax || told_.count(sample->index) != 0) {
        told_[sample->index] = {*sample, boot_clock().us};
      }
    };
    const Result<ChildResult> ended = run_child_with(words_, options);
    if (stop_) return;
    if (!ended) log::warning("what GPUs do is not known: {}", ended.error().message);
    for (int i = 0; i < kPauseLooks && !stop_; ++i) std::this_thread::sleep_for(kPauseLook);
  }
}

std::map<uint32_t, GpuSample> BusyWatch::newest() const {
  const int64_t now_us = boot_clock().us;
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, GpuSample> out;
  for (const auto& [index, told] : told_) {
    if (now_us - told.at_us <= kTellFor.us) out[index] = told.sample;
  }
  return out;
}

}  // namespace devrun::gpu
