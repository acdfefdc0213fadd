#include "agent/sync/node_gpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/gpu/named.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/file.h"

namespace devrun::agent {

namespace {

constexpr const char* kEveryMs = "2000";
constexpr Duration kSampleIsOldAfter = seconds(10);
constexpr Duration kSilentAfter = seconds(60);
// Others' programs may come and go often: what they alone change is told no more often than that.
constexpr Duration kOthersEvery = seconds(10);
constexpr size_t kFileBytesMax = 1 << 20;

std::vector<Gpu> gpus_of(const std::vector<gpu::FoundGpu>& found) {
  std::vector<Gpu> out;
  for (const gpu::FoundGpu& one : found) out.push_back(one.gpu);
  return out;
}

bool same_but_others(std::vector<Gpu> a, std::vector<Gpu> b) {
  for (std::vector<Gpu>* gpus : {&a, &b}) {
    for (Gpu& gpu : *gpus) gpu.others.clear();
  }
  return a == b;
}

}  // namespace

NodeGpus::NodeGpus(Options options)
    : options_(std::move(options)),
      numbers_(options_.boot_id),
      judge_([parent = options_.cgroup_parent](uint32_t pid) {
        return gpu::owner_by_cgroup(pid, parent);
      }) {
  if (options_.program.empty()) return;
  if (const auto text = read_file(options_.numbers_file, kFileBytesMax)) {
    numbers_.read(*text);
    kept_ = *text;
  }
  Result<gpu::FoundRound> first = gpu::find_gpus(options_.program, options_.driver_root);
  if (!first) {
    log::error("no GPU is offered: {}", first.error().message);
    return;
  }
  gpu::FoundRound round = seen(std::move(*first));
  found_ = std::move(round.gpus);
  driver_ = known_driver_ = round.driver;
  known_ = gpus_of(found_);
}

NodeGpus::~NodeGpus() {
  stop();
}

gpu::FoundRound NodeGpus::seen(gpu::FoundRound round) {
  if (!options_.devices.empty()) round.gpus = gpu::named_of(round.gpus, options_.devices);
  gpu::FoundRound out = numbers_.number(std::move(round));
  keep_numbers();
  out.gpus = gpu::share_of(out.gpus, options_.part, options_.parts);
  judge_.judge(out.gpus);
  return out;
}

void NodeGpus::keep_numbers() {
  std::string text = numbers_.text();
  if (text == kept_) return;
  const Status done = write_file_atomically(options_.numbers_file, text, 0600);
  if (!done) log::warning("the GPUs' numbers are not kept: {}", done.error().message);
  kept_ = std::move(text);
}

void NodeGpus::watch(std::function<void()> changed) {
  if (options_.program.empty()) return;
  changed_ = std::move(changed);
  watch_ = std::make_unique<gpu::Watch>(
      gpu::probe_words(options_.program, options_.driver_root, {"--every", kEveryMs}),
      [this](gpu::FoundRound round) { on_round(std::move(round)); });
}

void NodeGpus::stop() {
  watch_.reset();
}

void NodeGpus::on_round(gpu::FoundRound told) {
  gpu::FoundRound round = seen(std::move(told));
  {
    const std::lock_guard lock(mutex_);
    sampled_ = boot_clock();
  }
  take(std::move(round.gpus), round.driver);
}

void NodeGpus::take(std::vector<gpu::FoundGpu> found, const std::string& driver) {
  const std::vector<Gpu> gpus = gpus_of(found);
  {
    const std::lock_guard lock(mutex_);
    found_ = std::move(found);
    driver_ = driver;
    if (gpus == known_ && driver == known_driver_) return;
    const Time now = boot_clock();
    const bool only_others = driver == known_driver_ && same_but_others(gpus, known_);
    if (only_others && now - told_ < kOthersEvery) return;  // a later round finds it again
    for (const Gpu& gpu : gpus) {
      const auto before = std::find_if(known_.begin(), known_.end(), [&](const Gpu& one) {
        return one.uuid == gpu.uuid && one.index == gpu.index;
      });
      const std::string was = before == known_.end() ? "" : before->trouble;
      if (gpu.trouble == was) continue;
      log::warning("GPU {} ({}): {}", gpu.index, gpu.uuid,
                   gpu.trouble.empty() ? "it is well again" : gpu.trouble);
    }
    told_ = now;
    known_ = gpus;
    known_driver_ = driver;
  }
  changed_();
}

void NodeGpus::check() {
  if (!watch_) return;
  const Duration silent = watch_->silent_for();
  if (silent < kSilentAfter) return;
  std::vector<gpu::FoundGpu> found = this->found();
  for (gpu::FoundGpu& one : found) {
    if (one.gpu.trouble.empty()) {
      one.gpu.trouble =
          fmt::format("its driver has told nothing for {}", format_duration(kSilentAfter));
    }
  }
  take(std::move(found), driver());
}

std::vector<gpu::FoundGpu> NodeGpus::found() const {
  const std::lock_guard lock(mutex_);
  return found_;
}

std::vector<Gpu> NodeGpus::gpus() const {
  return gpus_of(found());
}

std::string NodeGpus::driver() const {
  const std::lock_guard lock(mutex_);
  return driver_;
}

std::map<uint32_t, GpuSample> NodeGpus::newest() const {
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, GpuSample> out;
  if (sampled_.us == 0 || boot_clock() - sampled_ > kSampleIsOldAfter) return out;
  for (const gpu::FoundGpu& one : found_) {
    if (one.facts.missing.empty()) out[one.gpu.index] = one.sample;
  }
  return out;
}

}  // namespace devrun::agent
