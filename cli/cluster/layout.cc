#include "cli/cluster/layout.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/cluster/cluster.h"

namespace devrun::cluster {

std::string Layout::cgroup() const {
  uint32_t hash = 2166136261;  // FNV-1a: the same in every build
  for (const char c : folder) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619;
  return fmt::format("devrun-{:08x}", hash);
}

Result<Layout> layout_of(const std::string& folder) {
  std::error_code failed;
  const auto path =
      std::filesystem::weakly_canonical(folder.empty() ? kDefaultFolder : folder, failed);
  if (failed || path.empty()) {
    return Error{Code::kInvalid, fmt::format("{}: {}", folder, failed.message()), {}};
  }
  std::string text = path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  // These go into lists and configurations of other programs, which read them as syntax.
  if (text == "/" || text.find_first_of(" \t\n\"'\\,;:{}") != std::string::npos) {
    return Error{
        Code::kInvalid,
        fmt::format("a cluster cannot live in '{}': the path must have a folder of its own "
                    "and none of space , ; : {{ }} quotes and backslash",
                    text),
        "devrun up --store /var/lib/devrun"};
  }
  return Layout{std::move(text)};
}

}  // namespace devrun::cluster
