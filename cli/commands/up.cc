// `devrun up`, `devrun down`, `devrun doctor`: a cluster on this machine. What they do is in
// cli/cluster.
#include "cli/commands/up.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/cluster/cluster.h"
#include "cli/commands/connect.h"
#include "cli/start/controller_config.h"
#include "cli/start/roles.h"
#include "common/base/parse_number.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr int64_t kCacheBytesMin = 16 << 20;

constexpr Option kUpOptions[] = {
    {.name = "nodes",
     .value = "N",
     .meaning = "so many nodes",
     .fallback = "as before, 1 at first",
     .example = "--nodes 3"},
    {.name = "store",
     .value = "DIR",
     .meaning = "where everything is kept",
     .fallback = "that of $DEVRUN_CONFIG, else /var/lib/devrun",
     .example = "--store /data/devrun"},
    {.name = "cache",
     .value = "SIZE",
     .meaning =
         "how much of what jobs read each node may keep on its disk, at least 16M; 0: nothing",
     .fallback = "as before, 20G at first",
     .example = "--cache 100G"},
    {.name = "size",
     .value = "S",
     .meaning = "of the store's image, where its file system is not btrfs",
     .fallback = "chosen from what is free",
     .example = "--size 100G"},
    {.name = "driver",
     .value = "D",
     .meaning = "how volumes are kept: btrfs, or scan: as plain folders on the store's own file "
                "system (XFS, ext4); used when the store is made",
     .fallback = "btrfs",
     .example = "--driver scan"},
    {.name = "output-max",
     .value = "S",
     .meaning = "as much output is kept of a job; beyond it, the end alone",
     .fallback = "as before, 16G at first",
     .example = "--output-max 1G"},
    {.name = "gpu-root",
     .value = "DIR",
     .meaning = "where the driver of the GPUs is installed",
     .fallback = "as before, / at first",
     .example = "--gpu-root /run/nvidia/driver"},
    {.name = "new-ports",
     .meaning = "what does not run serves at other ports than before, since others have those; "
                "calls that wait for the cluster must be begun anew"},
    kHelpOption,
};
constexpr Option kDownOptions[] = {
    {.name = "store",
     .value = "DIR",
     .meaning = "the cluster that is kept there",
     .fallback = "that of $DEVRUN_CONFIG, else /var/lib/devrun",
     .example = "--store /data/devrun"},
    {.name = "purge",
     .meaning = "remove volumes, jobs and all other state, too; asks for the folder's name",
     .example = "--purge"},
    {.name = "yes", .meaning = "without asking", .example = "--purge --yes"},
    kHelpOption,
};
constexpr Option kDoctorOptions[] = {
    {.name = "gpu",
     .meaning =
         "try this machine's NVIDIA GPUs instead: open each, copy to and from it and between "
         "them, and add up a vector over all",
     .example = "--gpu"},
    {.name = "gpu-root",
     .value = "DIR",
     .meaning = "where their driver is installed",
     .fallback = "/",
     .example = "--gpu --gpu-root /run/nvidia/driver"},
    kHelpOption,
};
constexpr Example kUpExamples[] = {
    {"devrun up", "starts what does not run yet; a second call changes nothing"},
    {"devrun up --nodes 3 --store /data/devrun", "three nodes on this machine"}};
constexpr Example kDownExamples[] = {
    {"devrun down", "ends all its processes and mounts; state stays for the next up"},
    {"devrun down --purge", "removes the state, too"}};
constexpr Example kDoctorExamples[] = {
    {"devrun doctor", "one line for each thing that is missing, with the command that mends it"},
    {"devrun doctor --gpu", "what the GPUs can do; status 125 if one of them fails"}};

// Asks the controller of a configuration, whatever the environment points to.
std::unique_ptr<Controller> controller_at(const std::string& config_path) {
  Surroundings surroundings;
  surroundings.environment = {"DEVRUN_CONFIG=" + config_path};
  surroundings.socket.clear();
  const auto target = find_target(surroundings);
  return target ? std::make_unique<Controller>(*target) : nullptr;
}

// Whether the controller of this configuration hears of all these agents.
bool agents_connected(const std::string& config_path, const std::vector<std::string>& agents) {
  const auto controller = controller_at(config_path);
  if (controller == nullptr) return false;
  const auto nodes = controller->list_nodes();
  if (!nodes) return false;
  return std::ranges::all_of(agents, [&](const std::string& agent) {
    return std::ranges::any_of(
        *nodes, [&](const NodeRecord& node) { return node.connected && node.hello.name == agent; });
  });
}

std::vector<std::string> volume_names(const std::string& config_path) {
  std::vector<std::string> out;
  const auto controller = controller_at(config_path);
  if (controller == nullptr) return out;
  if (const auto volumes = controller->list_volumes()) {
    for (const VolumeRecord& volume : *volumes) out.push_back(volume.name);
  }
  return out;
}

// Its jobs ended with it; if it was never known, nothing is to be done.
void node_left(const std::string& config_path, const std::string& node) {
  if (const auto controller = controller_at(config_path)) (void)controller->declare_node_lost(node);
}

// Says of the configuration files of a cluster of several machines whether they are good; how many are not.
Result<int> look_at_configurations(Context& context) {
  int wrong = 0;
  std::string text;
  std::string_view before;
  for (const start::Role& role : start::roles()) {
    std::error_code failed;
    if (role.config == before || !std::filesystem::exists(role.config, failed)) continue;
    before = role.config;
    const Status good = start::check_config(role, std::string(role.config));
    if (!good) ++wrong;
    text += good ? fmt::format("ok        {}\n", role.config)
                 : fmt::format("MISSING   {}. Mend: {}\n", good.error().message, good.error().hint);
  }
  if (!text.empty()) TRY(context.console.data(text));
  return wrong;
}

Result<int> parse_node_count(const std::string& text) {
  const auto nodes = parse_number<int>(text);
  if (nodes && *nodes >= 1 && *nodes <= cluster::kNodesMax) return *nodes;
  return Error{
      Code::kInvalid,
      fmt::format("--nodes: '{}' is not a number of nodes from 1 to {}", text, cluster::kNodesMax),
      {}};
}

Result<int64_t> parse_image_size(const std::string& text) {
  auto size = parse_size(text);
  if (size) return size;
  return std::move(size).error().context("--size");
}

Result<int64_t> parse_cache_size(const std::string& text) {
  auto size = parse_size(text);
  if (!size) return std::move(size).error().context("--cache");
  if (*size == 0 || *size >= kCacheBytesMin) return size;
  return Error{Code::kInvalid,
               fmt::format("--cache: {} is too little: at least 16M, or 0 for no cache", text),
               {}};
}

Result<cluster::StoreDriver> parse_driver(const std::string& text) {
  if (text == "btrfs") return cluster::StoreDriver::kBtrfs;
  if (text == "scan") return cluster::StoreDriver::kScan;
  return Error{Code::kInvalid, fmt::format("--driver: '{}' is neither btrfs nor scan", text), {}};
}

Result<int64_t> parse_output_max(const std::string& text) {
  constexpr int64_t kLeast = 1 << 20;
  auto size = parse_size(text);
  if (!size) return std::move(size).error().context("--output-max");
  if (*size >= kLeast) return size;
  return Error{Code::kInvalid, fmt::format("--output-max: '{}' is less than 1M", text), {}};
}

Result<std::string> parse_gpu_root(const std::string& text) {
  std::error_code failed;
  if (text.starts_with('/') && std::filesystem::is_directory(text, failed)) return text;
  return Error{Code::kInvalid, fmt::format("--gpu-root: '{}' is no absolute folder", text), {}};
}

Result<Action> parse_up(const Arguments& arguments) {
  TRY(no_words(arguments));
  cluster::UpOptions options;
  if (const auto store = arguments.value("store")) options.folder = *store;
  if (const auto nodes = arguments.value("nodes")) options.nodes = TRY(parse_node_count(*nodes));
  if (const auto size = arguments.value("size")) options.size_bytes = TRY(parse_image_size(*size));
  if (const auto cache = arguments.value("cache"))
    options.cache_bytes = TRY(parse_cache_size(*cache));
  if (const auto driver = arguments.value("driver")) options.driver = TRY(parse_driver(*driver));
  if (const auto most = arguments.value("output-max")) {
    options.output_bytes_max = TRY(parse_output_max(*most));
  }
  if (const auto root = arguments.value("gpu-root")) options.gpu_root = TRY(parse_gpu_root(*root));
  options.new_ports = arguments.has("new-ports");
  options.agents_connected = agents_connected;
  options.volumes = volume_names;
  options.node_left = node_left;
  return Action([options](Context& context) mutable -> Result<int> {
    TRY(only_on_the_host(context, "up"));
    if (options.folder.empty()) options.folder = folder_in_use(context);
    return cluster::run_up(options);
  });
}

Result<Action> parse_down(const Arguments& arguments) {
  TRY(no_words(arguments));
  cluster::DownOptions options;
  if (const auto store = arguments.value("store")) options.folder = *store;
  options.purge = arguments.has("purge");
  options.yes = arguments.has("yes");
  return Action([options](Context& context) mutable -> Result<int> {
    TRY(only_on_the_host(context, "down"));
    if (options.folder.empty()) options.folder = folder_in_use(context);
    return cluster::run_down(options);
  });
}

Result<Action> parse_doctor(const Arguments& arguments) {
  TRY(no_words(arguments));
  cluster::DoctorOptions options;
  options.gpus = arguments.has("gpu");
  if (const auto root = arguments.value("gpu-root")) {
    if (!options.gpus)
      return Error{Code::kInvalid, "--gpu-root needs --gpu", "devrun doctor --gpu"};
    options.gpu_root = TRY(parse_gpu_root(*root));
  }
  return Action([options](Context& context) mutable -> Result<int> {
    TRY(only_on_the_host(context, "doctor"));
    if (options.gpus) return cluster::run_doctor(options);
    options.found_missing = TRY(look_at_configurations(context));
    std::error_code failed;
    options.of_node = std::filesystem::exists(start::kNodeConfigFile, failed) &&
                      !std::filesystem::exists(start::kControllerConfigFile, failed);
    return cluster::run_doctor(options);
  });
}

}  // namespace

Status only_on_the_host(const Context& context, std::string_view command) {
  if (!context.surroundings.is_in_container()) return ok();
  return Error{
      Code::kDenied,
      fmt::format("this is a dev container or a job, and `devrun {}` is about the host", command),
      fmt::format("devrun {} on the host, outside of the container", command)};
}

std::string folder_in_use(const Context& context) {
  const auto config = context.surroundings.variable("DEVRUN_CONFIG");
  if (!config) return {};
  const std::filesystem::path folder = std::filesystem::path(*config).parent_path();
  std::error_code ignored;
  return std::filesystem::exists(folder / "cluster.json", ignored) ? folder.string()
                                                                   : std::string();
}

Command up_command() {
  return {{.name = "up",
           .usage = {"up [--nodes N] [--store DIR] [--size S] [--cache S] [--driver D]",
                     "up [--output-max S] [--gpu-root DIR] [--new-ports]"},
           .purpose = "start a whole cluster on this machine",
           .text = "Does only what is missing, so it also mends a cluster of which something has "
                   "died. Needs root.\n"
                   "Never ends a running job. What is of another build than this devrun is started "
                   "anew, which jobs\n"
                   "outlive: a node's devrun-fs takes over the mounts of the one before.",
           .options = kUpOptions,
           .examples = kUpExamples},
          parse_up};
}

Command down_command() {
  return {{.name = "down",
           .usage = {"down [--store DIR] [--purge] [--yes]"},
           .purpose = "end the cluster of this machine",
           .text = {},
           .options = kDownOptions,
           .examples = kDownExamples},
          parse_down};
}

Command doctor_command() {
  return {{.name = "doctor",
           .usage = {"doctor [--gpu [--gpu-root DIR]]"},
           .purpose = "what this machine lacks, each line with the command that mends it",
           .text = {},
           .options = kDoctorOptions,
           .examples = kDoctorExamples},
          parse_doctor};
}

}  // namespace devrun::cli
