#include "agent/gpu/grant.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

#include "agent/gpu/cdi.h"

namespace devrun::gpu {

namespace {

// Beside /dev/nvidiaN. Without the first nothing works; the others come with what is loaded.
constexpr const char* kControlNode = "/dev/nvidiactl";
constexpr std::array<const char*, 3> kSharedNodes = {"/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
                                                     "/dev/nvidia-modeset"};

std::string below(const std::string& root, const std::string& path) {
  return root == "/" ? path : root + path;
}

Result<DeviceNode> node_at(const std::string& host_path, const std::string& path) {
  struct stat st {};
  if (::stat(host_path.c_str(), &st) != 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))) {
    return Error{Code::kNotFound, fmt::format("{} is no device", host_path),
                 "nvidia-modprobe -u -c 0, on the node"};
  }
  return DeviceNode{path, S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev), minor(st.st_rdev)};
}

void add_node(Grant& out, DeviceNode node) {
  const auto same = [&](const DeviceNode& other) { return other.path == node.path; };
  if (std::none_of(out.devices.begin(), out.devices.end(), same)) {
    out.devices.push_back(std::move(node));
  }
}

void add_file(Grant& out, BoundFile file) {
  const auto same = [&](const BoundFile& other) { return other.target == file.target; };
  if (std::none_of(out.files.begin(), out.files.end(), same)) out.files.push_back(std::move(file));
}

// Libraries and programs go where ours look for them; sockets and the like below /run stay; the rest (firmware, graphics)
// computes nothing.
void add_mount(Grant& out, const std::string& root, const CdiEdits::Mount& mount) {
  const std::string source = below(root, mount.host_path);
  struct stat st {};
  if (::stat(source.c_str(), &st) != 0) return;
  const std::string name = mount.host_path.substr(mount.host_path.rfind('/') + 1);
  const std::string& place = mount.container_path;
  if (name.find(".so") != std::string::npos && S_ISREG(st.st_mode)) {
    for (BoundFile& file : bound_library(source)) add_file(out, std::move(file));
  } else if (place.find("/bin/") != std::string::npos) {
    add_file(out, {source, std::string(kProgramFolder) + "/" + name});
  } else if (place.starts_with("/run/") && !place.starts_with("/run/devrun")) {
    add_file(out, {source, place});
  }
}

Status add_edits(Grant& out, const std::string& root, const CdiEdits& edits) {
  for (const CdiEdits::Node& node : edits.nodes) {
    if (!node.path.starts_with("/dev/")) continue;
    add_node(out, TRY(node_at(below(root, node.host_path), node.path)));
  }
  for (const CdiEdits::Mount& mount : edits.mounts) add_mount(out, root, mount);
  return ok();
}

const CdiEdits* edits_for(const CdiSpec& spec, const FoundGpu& found) {
  for (const std::string& name : {fmt::format("{}", found.gpu.index), found.gpu.uuid,
                                  fmt::format("gpu{}", found.gpu.index)}) {
    const auto it = spec.devices.find(name);
    if (it != spec.devices.end()) return &it->second;
  }
  return nullptr;
}

Result<Grant> by_looking(const std::string& root, const std::vector<FoundGpu>& chosen) {
  Grant out;
  for (const FoundGpu& found : chosen) {
    const std::string path = fmt::format("/dev/nvidia{}", found.minor);
    add_node(out, TRY(node_at(below(root, path), path)));
  }
  add_node(out, TRY(node_at(below(root, kControlNode), kControlNode)));
  for (const char* path : kSharedNodes) {
    Result<DeviceNode> node = node_at(below(root, path), path);
    if (node) add_node(out, std::move(*node));
  }
  for (BoundFile& file : find_driver_files(root)) add_file(out, std::move(file));
  return out;
}

}  // namespace

Result<Grant> grant_gpus(const Driver& driver, const std::vector<uint32_t>& indices) {
  Grant out;
  if (indices.empty()) return out;
  std::vector<FoundGpu> chosen;
  for (const uint32_t index : indices) {
    const auto it = std::find_if(driver.gpus.begin(), driver.gpus.end(),
                                 [&](const FoundGpu& found) { return found.gpu.index == index; });
    if (it == driver.gpus.end()) {
      return Error{Code::kNotFound, fmt::format("the node has no GPU {}", index), "devrun nodes"};
    }
    chosen.push_back(*it);
  }
  const CdiSpec spec = TRY(load_cdi(driver.root));
  const bool in_spec = std::all_of(chosen.begin(), chosen.end(), [&](const FoundGpu& found) {
    return edits_for(spec, found) != nullptr;
  });
  if (!in_spec) return by_looking(driver.root, chosen);
  TRY(add_edits(out, driver.root, spec.all));
  for (const FoundGpu& found : chosen) TRY(add_edits(out, driver.root, *edits_for(spec, found)));
  return out;
}

}  // namespace devrun::gpu
