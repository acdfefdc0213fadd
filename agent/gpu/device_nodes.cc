#include "agent/gpu/device_nodes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/gpu/slice_nodes.h"
#include "common/base/log.h"
#include "common/runtime/boot_clock.h"

namespace devrun::gpu {

namespace {

constexpr const char* kProgram = "/usr/bin/nvidia-modprobe";

std::string below(const std::string& root, std::string_view path) {
  return fmt::format("{}{}", root == "/" ? "" : root, path);
}

bool is_device(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISCHR(st.st_mode);
}

bool wants_nodes(const FoundGpu& found) {
  return found.maker == Maker::kNvidia && found.facts.missing.empty();
}

}  // namespace

std::vector<std::vector<std::string>> words_for_nodes(const std::string& driver_root,
                                                      const std::vector<FoundGpu>& gpus) {
  std::vector<std::vector<std::string>> out;
  if (std::none_of(gpus.begin(), gpus.end(), wants_nodes)) return out;
  if (!is_device(below(driver_root, kUvmNode))) out.push_back({kProgram, "-u", "-c=0"});
  std::vector<std::string> of_slices{kProgram};
  for (const FoundGpu& found : gpus) {
    if (!wants_nodes(found) || found.gpu.slice.empty()) continue;
    const Result<std::vector<SliceNode>> nodes = slice_nodes(driver_root, found);
    if (!nodes) continue;  // a job that gets it is told
    for (const SliceNode& node : *nodes) {
      if (is_device(below(driver_root, node.path))) continue;
      of_slices.insert(of_slices.end(), {"-f", node.capability});
    }
  }
  if (of_slices.size() > 1) out.push_back(std::move(of_slices));
  return out;
}

void DeviceNodes::make(const std::vector<FoundGpu>& gpus) {
  if (stray_ && !stray_->ended()) return;
  stray_.reset();
  if (ever_ && boot_clock() - tried_ < kEvery) return;
  const auto all = words_for_nodes(root_, gpus);
  if (all.empty()) return;
  if (::access(below(root_, kProgram).c_str(), X_OK) != 0) {
    said_ = fmt::format("{}, which makes it, is not installed", kProgram);
    return;
  }
  ever_ = true;
  tried_ = boot_clock();
  said_.clear();
  for (const std::vector<std::string>& words : all) {
    const Result<std::string> done = run_within(kWithin, words, {.root = root_}, stray_);
    if (done) continue;
    said_ = done.error().message;
    log::warning("device nodes of GPUs are missing, and {}", said_);
    if (stray_) return;
  }
}

std::string DeviceNodes::why_missing() const {
  return fmt::format("no CUDA program can use it: {} is missing, and {}", kUvmNode,
                     said_.empty() ? fmt::format("{} did not make it", kProgram) : said_);
}

void DeviceNodes::see_to(std::vector<FoundGpu>& gpus) {
  if (std::none_of(gpus.begin(), gpus.end(), wants_nodes)) return;
  make(gpus);
  if (is_device(below(root_, kUvmNode))) return;
  for (FoundGpu& found : gpus) {
    if (wants_nodes(found)) found.facts.lacks = why_missing();
  }
}

}  // namespace devrun::gpu
