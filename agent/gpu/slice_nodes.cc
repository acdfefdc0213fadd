#include "agent/gpu/slice_nodes.h"

#include <fmt/format.h>

#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun::gpu {

namespace {

constexpr const char* kSliceMinors = "/proc/driver/nvidia-caps/mig-minors";
constexpr const char* kCapabilities = "/proc/driver/nvidia/capabilities";
constexpr size_t kListBytesMax = 1 << 20;

// "gpu0/gi3/access 30" a line.
std::optional<uint32_t> minor_in(const std::string& list, const std::string& name) {
  const std::string wanted = fmt::format("\n{} ", name);
  const std::string text = "\n" + list;
  const size_t at = text.find(wanted);
  if (at == std::string::npos) return std::nullopt;
  const std::string_view rest = std::string_view(text).substr(at + wanted.size());
  return parse_number<uint32_t>(rest.substr(0, rest.find('\n')));
}

}  // namespace

Result<std::vector<SliceNode>> slice_nodes(const std::string& driver_root, const FoundGpu& slice) {
  const std::string root = driver_root == "/" ? "" : driver_root;
  const std::string list = TRY(read_file(root + kSliceMinors, kListBytesMax));
  const std::string instance = fmt::format("gi{}", slice.gpu_instance);
  const std::string compute = fmt::format("{}/ci{}", instance, slice.compute_instance);
  std::vector<SliceNode> out;
  for (const std::string& part : {instance, compute}) {
    const auto minor = minor_in(list, fmt::format("gpu{}/{}/access", slice.minor, part));
    if (!minor) {
      return Error{Code::kNotFound,
                   fmt::format("{} does not name the slice {}", kSliceMinors, slice.gpu.uuid),
                   "nvidia-smi -L, on the node"};
    }
    out.push_back({fmt::format("/dev/nvidia-caps/nvidia-cap{}", *minor),
                   fmt::format("{}/gpu{}/mig/{}/access", kCapabilities, slice.minor, part)});
  }
  return out;
}

}  // namespace devrun::gpu
