#include "agent/gpu/grant.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "agent/gpu/cdi.h"
#include "agent/gpu/slice_nodes.h"

namespace devrun::gpu {

namespace {

// Beside /dev/nvidiaN. Without the first nothing works; the others come with what is loaded.
constexpr const char* kControlNode = "/dev/nvidiactl";
constexpr std::array<const char*, 3> kSharedNodes = {"/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
                                                     "/dev/nvidia-modeset"};
constexpr const char* kComputeNode = "/dev/kfd";  // AMD's: beside /dev/dri/renderDN
constexpr const char* kNetworkFolder = "/dev/infiniband";
constexpr const char* kGpuDirectNode = "/dev/gdrdrv";

std::string below(const std::string& root, const std::string& path) {
  return root == "/" ? path : root + path;
}

Result<DeviceNode> node_at(const std::string& host_path, const std::string& path) {
  struct stat st {};
  if (::stat(host_path.c_str(), &st) != 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))) {
    return Error{Code::kNotFound, fmt::format("{} is no device", host_path),
                 "nvidia-modprobe -u -c=0, on the node"};
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
// computes nothing. A library or program that is gone is an error, as it is with NVIDIA's own runtime, which has the kernel
// refuse the mount: such a specification is of another driver than the one that is loaded. Sockets come and go with daemons.
Status add_mount(Grant& out, const std::string& root, const CdiEdits::Mount& mount) {
  const std::string source = below(root, mount.host_path);
  const std::string name = mount.host_path.substr(mount.host_path.rfind('/') + 1);
  const std::string& place = mount.container_path;
  const bool is_library = name.find(".so") != std::string::npos;
  const bool is_program = place.find("/bin/") != std::string::npos;
  struct stat st {};
  if (::stat(source.c_str(), &st) != 0) {
    if (!is_library && !is_program) return ok();
    return Error{Code::kNotFound,
                 fmt::format("{}, which the node's CDI specification names, is not there", source),
                 "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, on the node"};
  }
  if (is_library && S_ISREG(st.st_mode)) {
    for (BoundFile& file : bound_library(source)) add_file(out, std::move(file));
  } else if (is_program) {
    add_file(out, {source, std::string(kProgramFolder) + "/" + name});
  } else if (place.starts_with("/run/") && !place.starts_with("/run/devrun")) {
    add_file(out, {source, place});
  }
  return ok();
}

Status add_edits(Grant& out, const std::string& root, const CdiEdits& edits) {
  for (const CdiEdits::Node& node : edits.nodes) {
    if (!node.path.starts_with("/dev/")) continue;
    add_node(out, TRY(node_at(below(root, node.host_path), node.path)));
  }
  for (const CdiEdits::Mount& mount : edits.mounts) TRY(add_mount(out, root, mount));
  return ok();
}

// By its UUID; by a number only if that gives this very device, since the specification counts as the driver does and not
// as devrun.
const CdiEdits* edits_for(const CdiSpec& spec, const FoundGpu& found) {
  const std::string own = fmt::format("/dev/nvidia{}", found.minor);
  const auto gives_it = [&](const CdiEdits& edits) {
    return std::ranges::any_of(edits.nodes, [&](const CdiEdits::Node& node) {
      return node.path == own || node.host_path == own;
    });
  };
  std::vector<std::string> names{found.gpu.uuid};
  if (found.gpu.slice.empty()) {
    names.push_back(fmt::format("{}", found.gpu.index));
    names.push_back(fmt::format("gpu{}", found.gpu.index));
  }
  for (const std::string& name : names) {
    const auto it = spec.devices.find(name);
    if (it == spec.devices.end()) continue;
    if (name == found.gpu.uuid || gives_it(it->second)) return &it->second;
  }
  return nullptr;
}

void add_if_there(Grant& out, const std::string& root, const std::string& path) {
  Result<DeviceNode> node = node_at(below(root, path), path);
  if (node) add_node(out, std::move(*node));
}

Status add_slice(Grant& out, const std::string& root, const FoundGpu& found) {
  for (const SliceNode& node : TRY(slice_nodes(root, found))) {
    add_node(out, TRY(node_at(below(root, node.path), node.path)));
  }
  return ok();
}

Result<Grant> nvidia_by_looking(const std::string& root, const std::vector<FoundGpu>& chosen) {
  Grant out;
  for (const FoundGpu& found : chosen) {
    const std::string path = fmt::format("/dev/nvidia{}", found.minor);
    add_node(out, TRY(node_at(below(root, path), path)));
    if (!found.gpu.slice.empty()) TRY(add_slice(out, root, found));
  }
  add_node(out, TRY(node_at(below(root, kControlNode), kControlNode)));
  for (const char* path : kSharedNodes) add_if_there(out, root, path);
  for (BoundFile& file : find_driver_files(root)) add_file(out, std::move(file));
  return out;
}

Status add_amd(Grant& out, const std::string& root, const std::vector<FoundGpu>& chosen) {
  if (chosen.empty()) return ok();
  for (const FoundGpu& found : chosen) {
    const std::string path = fmt::format("/dev/dri/renderD{}", found.minor);
    add_node(out, TRY(node_at(below(root, path), path)));
  }
  add_node(out, TRY(node_at(below(root, kComputeNode), kComputeNode)));
  return ok();
}

// Verbs and connections of the network cards, and what maps GPU memory for them. Not those that administer the network.
void add_network(Grant& out, const std::string& root) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry :
       std::filesystem::directory_iterator(below(root, kNetworkFolder), failed)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("uverbs") || name == "rdma_cm") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    add_if_there(out, root, fmt::format("{}/{}", kNetworkFolder, name));
  }
  add_if_there(out, root, kGpuDirectNode);
}

Result<std::vector<FoundGpu>> chosen_of(const Driver& driver,
                                        const std::vector<uint32_t>& indices) {
  std::vector<FoundGpu> out;
  for (const uint32_t index : indices) {
    const auto it = std::find_if(driver.gpus.begin(), driver.gpus.end(),
                                 [&](const FoundGpu& found) { return found.gpu.index == index; });
    if (it == driver.gpus.end()) {
      return Error{Code::kNotFound, fmt::format("the node has no GPU {}", index), "devrun nodes"};
    }
    out.push_back(*it);
  }
  return out;
}

std::vector<FoundGpu> of_maker(Maker maker, const std::vector<FoundGpu>& all) {
  std::vector<FoundGpu> out;
  for (const FoundGpu& found : all) {
    if (found.maker == maker) out.push_back(found);
  }
  return out;
}

Result<Grant> nvidia_devices(const std::string& root, const std::vector<FoundGpu>& chosen) {
  Grant out;
  if (chosen.empty()) return out;
  const CdiSpec spec = TRY(load_cdi(root));
  const bool in_spec = std::all_of(chosen.begin(), chosen.end(), [&](const FoundGpu& found) {
    return edits_for(spec, found) != nullptr;
  });
  if (!in_spec) return nvidia_by_looking(root, chosen);
  TRY(add_edits(out, root, spec.all));
  for (const FoundGpu& found : chosen) TRY(add_edits(out, root, *edits_for(spec, found)));
  return out;
}

}  // namespace

std::vector<std::string> gpu_variables(const Driver& driver, const std::vector<uint32_t>& indices) {
  const Result<std::vector<FoundGpu>> chosen = chosen_of(driver, indices);
  if (!chosen) return {};
  std::vector<std::string> out;
  for (const auto& [maker, name] : {std::pair(Maker::kNvidia, "CUDA_VISIBLE_DEVICES="),
                                    std::pair(Maker::kAmd, "ROCR_VISIBLE_DEVICES=")}) {
    const std::vector<FoundGpu> own = of_maker(maker, *chosen);
    if (own.empty()) continue;
    const bool any_slice = std::any_of(own.begin(), own.end(),
                                       [](const auto& found) { return !found.gpu.slice.empty(); });
    std::string list;
    for (size_t i = 0; i < own.size(); ++i) {
      list += (i == 0 ? "" : ",") + (any_slice ? own[i].gpu.uuid : std::to_string(i));
    }
    out.push_back(name + list);
  }
  return out;
}

Result<Grant> grant_gpus(const Driver& driver, const std::vector<uint32_t>& indices) {
  if (indices.empty()) return Grant{};
  const std::vector<FoundGpu> chosen = TRY(chosen_of(driver, indices));
  Grant out = TRY(nvidia_devices(driver.root, of_maker(Maker::kNvidia, chosen)));
  TRY(add_amd(out, driver.root, of_maker(Maker::kAmd, chosen)));
  add_network(out, driver.root);
  return out;
}

}  // namespace devrun::gpu
