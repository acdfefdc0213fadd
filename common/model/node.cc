#include "common/model/node.h"

#include <algorithm>
#include <cctype>

namespace devrun {

namespace {

bool same_but_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::toupper(x) == std::toupper(y);
  });
}

}  // namespace

std::vector<Gpu> all_gpus(const NodeHello& node) {
  std::vector<Gpu> out = node.gpus;
  for (int32_t i = 0; node.gpus.empty() && i < node.total.gpus; ++i) {
    out.push_back({static_cast<uint32_t>(i), node.total.gpu_type, node.total.gpu_type, 0, {}, 0});
  }
  std::sort(out.begin(), out.end(), [](const Gpu& a, const Gpu& b) { return a.index < b.index; });
  return out;
}

std::vector<Gpu> gpus_of_type(const NodeHello& node, std::string_view type, int64_t memory_bytes) {
  std::vector<Gpu> out = all_gpus(node);
  // Who asks for a GPU does not mean a seventh of one.
  const auto is_of_type = [&](const Gpu& gpu) {
    if (type.empty()) return gpu.slice.empty();
    return same_but_case(gpu.type, type) || (!gpu.slice.empty() && same_but_case(gpu.slice, type));
  };
  // GPUs are named by what is soldered to them, and tell what error correction and the driver leave: 79.6 GiB of 80.
  const int64_t least = memory_bytes - memory_bytes / 12;
  std::erase_if(out, [&](const Gpu& gpu) { return gpu.memory_bytes < least || !is_of_type(gpu); });
  return out;
}

}  // namespace devrun
