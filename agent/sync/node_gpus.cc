#include "agent/sync/node_gpus.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

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
      named_(options_.devices),
      numbers_(options_.boot_id),
      judge_([parent = options_.cgroup_parent](uint32_t pid) {
        return gpu::owner_by_cgroup(pid, parent);
      }),
      nodes_(options_.driver_root) {
  if (options_.program.empty()) return;
  read_kept();
  watch_ = std::make_unique<gpu::Watch>(
      gpu::Watch::Options{
          gpu::probe_words(options_.program, options_.driver_root, {"--every", kEveryMs}),
          options_.numbers_file + ".lock"},
      gpu::Watch::Calls{[this](gpu::FoundRound round) { on_round(std::move(round)); },
                        [this](const std::string& why) { on_silence(why); }});
  std::unique_lock lock(mutex_);
  const bool asked = first_.wait_for(lock, std::chrono::microseconds(options_.first_within.us),
                                     [this] { return asked_; });
  lock.unlock();
  if (!asked) {
    on_silence(fmt::format("the driver has not answered within {}",
                           format_duration(options_.first_within)));
  }
  lock.lock();
  untold_ = false;  // whoever is started after us asks for all of it
}

NodeGpus::~NodeGpus() {
  stop();
}

void NodeGpus::read_kept() {
  const auto text = read_file(options_.numbers_file, kFileBytesMax);
  if (!text) return;
  numbers_.read(*text);
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    named_.read_line(std::string_view(*text).substr(at, end - at));
    at = end + 1;
  }
  kept_ = *text;
}

gpu::FoundRound NodeGpus::seen(gpu::FoundRound round, std::string_view unheard) {
  const std::lock_guard lock(numbering_);
  // An administrator wants to hear no more of what is lost.
  if (!kept_.empty() && ::access(options_.numbers_file.c_str(), F_OK) != 0) {
    log::info("{} was removed: GPUs that are lost are forgotten", options_.numbers_file);
    numbers_.forget_lost();
    named_.forget();
    kept_.clear();
  }
  round.gpus = named_.own(round.gpus);
  numbers_.forget_if([this](const gpu::FoundGpu& known) { return !named_.is_own(known); });
  gpu::FoundRound out = numbers_.number(std::move(round), unheard);
  keep();
  const std::vector<std::string> missing = named_.missing(out.gpus);
  say_missing(missing);
  if (!missing.empty()) out.driver += fmt::format("; not there: GPU {}", fmt::join(missing, ", "));
  out.gpus = gpu::share_of(out.gpus, options_.part, options_.parts);
  nodes_.see_to(out.gpus);
  judge_.judge(out.gpus);
  return out;
}

void NodeGpus::say_missing(const std::vector<std::string>& names) {
  const std::string text = fmt::format("{}", fmt::join(names, ", "));
  if (text == missing_) return;
  missing_ = text;
  if (text.empty()) {
    log::info("all GPUs of gpu_devices are there");
  } else {
    log::error("gpu_devices names {}, and the driver has no such GPU. Try: nvidia-smi -L", text);
  }
}

void NodeGpus::keep() {
  std::string text = numbers_.text() + named_.text();
  if (text == kept_) return;
  const Status done = write_file_atomically(options_.numbers_file, text, 0600);
  if (!done) log::warning("what is known of the GPUs is not kept: {}", done.error().message);
  kept_ = std::move(text);
}

void NodeGpus::watch(std::function<void()> changed) {
  if (options_.program.empty()) return;
  bool untold = false;
  {
    const std::lock_guard lock(mutex_);
    changed_ = std::move(changed);
    untold = std::exchange(untold_, false);
  }
  if (untold) changed_();
}

void NodeGpus::stop() {
  watch_.reset();
}

void NodeGpus::on_round(gpu::FoundRound told) {
  gpu::FoundRound round = seen(std::move(told), gpu::Numbers::kNotListed);
  {
    const std::lock_guard lock(mutex_);
    sampled_ = boot_clock();
  }
  take(std::move(round.gpus), round.driver);
}

// Nobody can be asked. What was told before stands until check() finds that it is old.
void NodeGpus::on_silence(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (sampled_.us != 0) return;
  }
  if (!why.empty()) log::error("no GPU is offered: {}", why);
  gpu::FoundRound round =
      seen({}, why.empty() ? std::string_view("no driver of GPUs is installed") : why);
  take(std::move(round.gpus), why.empty() ? round.driver : "none that answers: " + why);
}

void NodeGpus::take(std::vector<gpu::FoundGpu> found, const std::string& driver) {
  const std::vector<Gpu> gpus = gpus_of(found);
  std::function<void()> changed;
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
    first_.notify_all();
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
    untold_ = !changed_;
    changed = changed_;
  }
  if (changed) changed();
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
    if (one.facts.missing.empty() && (one.busy_told || !one.gpu.slice.empty()))
      out[one.gpu.index] = one.sample;
  }
  return out;
}

}  // namespace devrun::agent
