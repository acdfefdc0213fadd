#include "cli/launch/known_fields.h"

#include <array>

namespace devrun::launch {

namespace {

constexpr auto kRead = Handling::kRead;
constexpr auto kHint = Handling::kHint;
constexpr auto kUnsupported = Handling::kUnsupported;
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
    Field{"file_mounts", kRead},
    Field{"volumes", kRead},
    Field{"service", kRead},
    Field{"devrun", kRead},
    Field{"file_mounts_mapping", kUnsupported, kMap, "nothing is copied or mounted"},
    Field{"volume_mounts", kUnsupported, kList, "no volume is mounted; use volumes"},
    Field{"pool", kUnsupported, kAnyKind, "the task runs once, as a job"},
    Field{"managed_secrets", kUnsupported, kList, "use secrets"},
    Field{"execution", kHint, kString, "the file has one task"},
    Field{"primary_tasks", kHint, kList | kString, "the file has one task"},
    Field{"termination_delay", kHint, kString | kNumber | kMap, "the file has one task"},
    Field{"config", kHint, kMap, {}},
    Field{"inputs", kHint, kMap, {}},
    Field{"outputs", kHint, kMap, {}},
    Field{"event_callback", kUnsupported, kString, "it is never called"},
    Field{"experimental", kHint, kAnyKind, {}},
    Field{"api_server_access", kUnsupported, kBool, {}},
    Field{"_metadata", kHint, kMap, {}},
};

constexpr std::array kHeaderFields{
    Field{"name", kRead},
    Field{"execution", kRead},
    Field{"primary_tasks", kRead},
    Field{"termination_delay", kUnsupported, kString | kNumber | kMap,
          "the others are ended at once, with the usual grace after TERM"},
};

constexpr std::array kWorkdirFields{Field{"url", kRead}, Field{"ref", kRead}};

constexpr std::array kStorageFields{
    Field{"name", kRead},
    Field{"source", kRead},
    Field{"mode", kRead},
    Field{"store", kHint, kString, "the folder lies in devrun's own store"},
    Field{"persistent", kHint, kBool, "the folder stays until devrun volume rm"},
    Field{"config", kHint, kMap, {}},
    Field{"_is_sky_managed", kHint, kBool, {}},
    Field{"_bucket_sub_path", kUnsupported, kString, "all of the folder is mounted"},
    Field{"_force_delete", kHint, kBool, {}},
};

constexpr std::array kVolumeFields{
    Field{"name", kRead},
    Field{"size", kHint, kString | kNumber, "devrun volume quota sets a limit"},
    Field{"type", kHint, kString, "it is a devrun volume"},
    Field{"infra", kHint, kString, kNoCloud},
    Field{"labels", kHint, kMap, {}},
    Field{"use_existing", kHint, kBool, {}},
    Field{"config", kHint, kMap, {}},
};

constexpr std::array kServiceFields{
    Field{"readiness_probe", kRead},
    Field{"replicas", kRead},
    Field{"replica_policy", kRead},
    Field{"ports", kRead},
    Field{"load_balancing_policy", kHint, kString, "there is one replica"},
    Field{"tls", kUnsupported, kMap, "nothing is encrypted on the way to the port"},
    Field{"pool", kUnsupported, kAnyKind, "the task runs once, as a job"},
    Field{"workers", kUnsupported, kInt, "the task runs once, as a job"},
};

constexpr std::array kProbeFields{
    Field{"path", kRead},
    Field{"post_data", kRead},
    Field{"initial_delay_seconds", kRead},
    Field{"timeout_seconds", kRead},
    Field{"headers", kHint, kMap, "nobody probes: it is only shown"},
};

constexpr std::array kRecoveryFields{Field{"strategy", kRead},
                                     Field{"max_restarts_on_errors", kRead},
                                     Field{"recover_on_exit_codes", kRead}};

constexpr std::array kDevrunFields{Field{"array", kRead}, Field{"sweep", kRead},
                                   Field{"max_running", kRead}};

// any_of and ordered come last: an alternative has all fields but those two.
constexpr std::array kResourcesFields{
    Field{"cpus", kRead},
    Field{"memory", kRead},
    Field{"accelerators", kRead},
    Field{"gpus", kRead},
    Field{"job_recovery", kRead},
    Field{"spot_recovery", kRead},
    Field{"priority", kRead},
    Field{"use_spot", kHint, kBool, kNoCloud},
    Field{"infra", kHint, kString, kNoCloud},
    Field{"cloud", kHint, kString, kNoCloud},
    Field{"region", kHint, kString, kNoCloud},
    Field{"zone", kHint, kString, kNoCloud},
    Field{"instance_type", kHint, kString, "ask for cpus, memory and accelerators"},
    Field{"image_id", kRead},
    Field{"ports", kRead},
    Field{"disk_size", kHint, kString | kNumber, {}},
    Field{"ephemeral_storage", kHint, kString | kNumber, {}},
    Field{"disk_tier", kHint, kString, {}},
    Field{"network_tier", kHint, kString, {}},
    Field{"local_disk", kHint, kString, {}},
    Field{"labels", kHint, kMap, {}},
    Field{"autostop", kHint, kBool | kString | kNumber | kMap, {}},
    Field{"accelerator_args", kHint, kMap, {}},
    Field{"max_hourly_cost", kHint, kNumber, {}},
    Field{"priority_class", kHint, kString, "use priority"},
    Field{"volumes", kUnsupported, kList, "no volume is mounted; use volumes at the top"},
    Field{"hooks", kUnsupported, kList, "they are never called"},
    Field{"config", kHint, kMap, {}},
    Field{"inputs", kHint, kMap, {}},
    Field{"outputs", kHint, kMap, {}},
    Field{"_docker_login_config", kUnsupported, kMap, "the storage host logs in to registries"},
    Field{"_is_image_managed", kHint, kBool, {}},
    Field{"_requires_fuse", kHint, kBool, {}},
    Field{"_cluster_config_overrides", kHint, kMap, {}},
    Field{"_no_missing_accel_warnings", kHint, kBool, {}},
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
std::span<const Field> workdir_fields() {
  return kWorkdirFields;
}
std::span<const Field> storage_fields() {
  return kStorageFields;
}
std::span<const Field> volume_fields() {
  return kVolumeFields;
}
std::span<const Field> service_fields() {
  return kServiceFields;
}
std::span<const Field> probe_fields() {
  return kProbeFields;
}
std::span<const Field> recovery_fields() {
  return kRecoveryFields;
}
std::span<const Field> devrun_fields() {
  return kDevrunFields;
}

}  // namespace devrun::launch
