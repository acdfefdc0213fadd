#include "agent/gpu/cdi.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::gpu {

namespace {

constexpr std::string_view kKind = "nvidia.com/gpu";
constexpr size_t kFileBytesMax = 4 << 20;

std::string text_of(const YAML::Node& node, const char* name) {
  const YAML::Node found = node[name];
  return found && found.IsScalar() ? found.Scalar() : std::string();
}

CdiEdits edits_of(const YAML::Node& edits) {
  CdiEdits out;
  if (!edits || !edits.IsMap()) return out;
  for (const YAML::Node& node : edits["deviceNodes"]) {
    const std::string path = text_of(node, "path");
    const std::string host = text_of(node, "hostPath");
    if (!path.empty()) out.nodes.push_back({path, host.empty() ? path : host});
  }
  for (const YAML::Node& mount : edits["mounts"]) {
    const std::string host = text_of(mount, "hostPath");
    if (!host.empty()) out.mounts.push_back({host, text_of(mount, "containerPath")});
  }
  return out;
}

void add(CdiEdits& to, CdiEdits&& more) {
  std::move(more.nodes.begin(), more.nodes.end(), std::back_inserter(to.nodes));
  std::move(more.mounts.begin(), more.mounts.end(), std::back_inserter(to.mounts));
}

}  // namespace

Result<CdiSpec> parse_cdi(std::string_view text) {
  try {  // the library's only way to say what is wrong
    const YAML::Node top = YAML::Load(std::string(text));
    CdiSpec out;
    if (!top.IsMap() || text_of(top, "kind") != kKind) return out;
    out.all = edits_of(top["containerEdits"]);
    for (const YAML::Node& device : top["devices"]) {
      out.devices[text_of(device, "name")] = edits_of(device["containerEdits"]);
    }
    return out;
  } catch (const YAML::Exception& e) {
    return Error{Code::kInvalid, fmt::format("line {}: {}", e.mark.line + 1, e.msg), {}};
  }
}

Result<CdiSpec> load_cdi(const std::string& driver_root) {
  CdiSpec out;
  for (const char* folder : {"/etc/cdi", "/var/run/cdi"}) {
    std::vector<std::filesystem::path> files;
    std::error_code failed;
    const std::string place = (driver_root == "/" ? "" : driver_root) + folder;
    for (const auto& entry : std::filesystem::directory_iterator(place, failed)) {
      const auto kind = entry.path().extension();
      if (kind == ".yaml" || kind == ".json") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const std::string text = TRY(read_file(file.string(), kFileBytesMax));
      Result<CdiSpec> spec = parse_cdi(text);
      if (!spec) {
        Error error = std::move(spec).error().context(file.string());
        error.hint = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, on the node";
        return error;
      }
      if (spec->devices.empty()) continue;
      add(out.all, std::move(spec->all));
      for (auto& [name, edits] : spec->devices) out.devices[name] = std::move(edits);
    }
  }
  return out;
}

}  // namespace devrun::gpu
