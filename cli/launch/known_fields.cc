#include "cli/launch/known_fields.h"

#include <array>

namespace devrun::launch {

namespace {

constexpr auto kRead = Handling::kRead;
constexpr auto kIgnored = Handling::kIgnored;
constexpr std::string_view kNoCloud = "devrun runs on the cluster's own nodes";

constexpr std::array kTaskFields{
    Field{"name", kRead},
    Field{"workdir", kRead},
    Field{"num_nodes", kRead},
    Field{"resources", kRead},
    Field{"envs", kRead},
    Field{"secrets", kRead},
    Field{"setup", kRead},
    Field{"run", kRead},
    Field{"file_mounts", kIgnored, kMap, "nothing is copied or mounted"},
    Field{"file_mounts_mapping", kIgnored, kMap, "nothing is copied or mounted"},
    Field{"volumes", kIgnored, kMap, "no volume is mounted"},
    Field{"volume_mounts", kIgnored, kList, "no volume is mounted"},
    Field{"service", kIgnored, kMap, "the task runs once, as a job"},
    Field{"pool", kIgnored, kAnyKind, "the task runs once, as a job"},
    Field{"managed_secrets", kIgnored, kList, "use secrets"},
    Field{"execution", kIgnored, kString, "the file has one task"},
    Field{"primary_tasks", kIgnored, kList | kString, "the file has one task"},
    Field{"termination_delay", kIgnored, kString | kNumber | kMap, {}},
    Field{"config", kIgnored, kMap, {}},
    Field{"inputs", kIgnored, kMap, {}},
    Field{"outputs", kIgnored, kMap, {}},
    Field{"event_callback", kIgnored, kString, "it is never called"},
    Field{"experimental", kIgnored, kAnyKind, {}},
    Field{"api_server_access", kIgnored, kBool, {}},
    Field{"_metadata", kIgnored, kMap, {}},
};

constexpr std::array kHeaderFields{
    Field{"name", kRead},
    Field{"execution", kRead},
    Field{"primary_tasks", kIgnored, kList | kString, "every task is waited for"},
    Field{"termination_delay", kIgnored, kString | kNumber | kMap, {}},
};

// any_of and ordered come last: an alternative has all fields but those two.
constexpr std::array kResourcesFields{
    Field{"cpus", kRead},
    Field{"memory", kRead},
    Field{"accelerators", kRead},
    Field{"gpus", kRead},
    Field{"job_recovery", kRead},
    Field{"spot_recovery", kRead},
    Field{"priority", kRead},
    Field{"use_spot", kIgnored, kBool, kNoCloud},
    Field{"infra", kIgnored, kString, kNoCloud},
    Field{"cloud", kIgnored, kString, kNoCloud},
    Field{"region", kIgnored, kString, kNoCloud},
    Field{"zone", kIgnored, kString, kNoCloud},
    Field{"instance_type", kIgnored, kString, "ask for cpus, memory and accelerators"},
    Field{"image_id", kIgnored, kString | kMap, "the task runs in the volume"},
    Field{"ports", kIgnored, kString | kInt | kList, "no port is opened"},
    Field{"disk_size", kIgnored, kString | kNumber, {}},
    Field{"ephemeral_storage", kIgnored, kString | kNumber, {}},
    Field{"disk_tier", kIgnored, kString, {}},
    Field{"network_tier", kIgnored, kString, {}},
    Field{"local_disk", kIgnored, kString, {}},
    Field{"labels", kIgnored, kMap, {}},
    Field{"autostop", kIgnored, kBool | kString | kNumber | kMap, {}},
    Field{"accelerator_args", kIgnored, kMap, {}},
    Field{"max_hourly_cost", kIgnored, kNumber, {}},
    Field{"priority_class", kIgnored, kString, "use priority"},
    Field{"volumes", kIgnored, kList, "no volume is mounted"},
    Field{"hooks", kIgnored, kList, {}},
    Field{"config", kIgnored, kMap, {}},
    Field{"inputs", kIgnored, kMap, {}},
    Field{"outputs", kIgnored, kMap, {}},
    Field{"_docker_login_config", kIgnored, kMap, {}},
    Field{"_is_image_managed", kIgnored, kBool, {}},
    Field{"_requires_fuse", kIgnored, kBool, {}},
    Field{"_cluster_config_overrides", kIgnored, kMap, {}},
    Field{"_no_missing_accel_warnings", kIgnored, kBool, {}},
    Field{"any_of", kRead},
    Field{"ordered", kRead},
};

}  // namespace

std::span<const Field> task_fields() {
  return kTaskFields;
}
std::span<const Field> resources_fields() {
  return kResourcesFields;
}
std::span<const Field> alternative_fields() {
  return std::span(kResourcesFields).first(kResourcesFields.size() - 2);
}
std::span<const Field> header_fields() {
  return kHeaderFields;
}

}  // namespace devrun::launch
