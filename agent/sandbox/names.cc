#include "agent/sandbox/names.h"

#include <fmt/format.h>

namespace devrun::sandbox {

namespace {
constexpr size_t kHostnameBytesMax = 63;
}

std::string container_hostname(const AttemptSpec& spec, const std::string& node) {
  std::string name =
      spec.dev_container ? spec.root.volume : fmt::format("{}-{}", node, spec.key.job);
  // What a setup step writes is for every node.
  if (spec.setup_for_ranks > 0) name = "devrun-setup";
  if (!spec.dev_container && spec.key.task != kNoTask) name += fmt::format("-{}", spec.key.task);
  if (!spec.dev_container && spec.key.rank != 0) name += fmt::format("-r{}", spec.key.rank);
  for (char& c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!good) c = '-';
  }
  if (name.size() > kHostnameBytesMax) name.resize(kHostnameBytesMax);
  return name.empty() ? "devrun" : name;
}

}  // namespace devrun::sandbox
