#include "cli/output/job_json.h"

#include <nlohmann/json.hpp>

#include "cli/output/job_text.h"
#include "common/model/gpu_numbers.h"
#include "common/model/resources.h"
#include "common/model/sweep.h"

namespace devrun::cli {

namespace {

using Json = nlohmann::ordered_json;

// Bytes that are no UTF-8 (file names, arguments) become U+FFFD: JSON has no other way.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void put_time(Json& out, const char* name, Time time) {
  if (time.us != 0) out[name] = time.us;
}

Json json_of(const Timeline& timeline) {
  Json out = Json::object();
  put_time(out, "submitted_us", timeline.submitted);
  put_time(out, "snapshot_taken_us", timeline.snapshot_taken);
  put_time(out, "journaled_us", timeline.journaled);
  put_time(out, "placed_us", timeline.placed);
  put_time(out, "agent_received_us", timeline.agent_received);
  put_time(out, "mounted_us", timeline.mounted);
  put_time(out, "started_us", timeline.started);
  put_time(out, "first_byte_us", timeline.first_byte);
  put_time(out, "ended_us", timeline.ended);
  return out;
}

std::string_view cause_name(EndCause cause) {
  switch (cause) {
    case EndCause::kExited:
      return "EXITED";
    case EndCause::kNotStarted:
      return "NOT_STARTED";
    case EndCause::kCancelled:
      return "CANCELLED";
    case EndCause::kTimedOut:
      return "TIMED_OUT";
    case EndCause::kLost:
      return "LOST";
  }
  return "?";
}

Json json_of(const std::optional<Ending>& ending) {
  if (!ending) return nullptr;
  return {{"cause", cause_name(ending->cause)},
          {"status", ending->status},
          {"reason", ending->reason},
          {"hint", ending->hint}};
}

Json json_of(const std::vector<WrittenFile>& files) {
  Json out = Json::array();
  for (const WrittenFile& file : files) {
    out.push_back({{"path", file.path},
                   {"kind", std::string(1, file.kind)},
                   {"size_bytes", file.size_bytes}});
  }
  return out;
}

Json json_of(const std::optional<HomeSummary>& home) {
  if (!home) return nullptr;
  return {{"files", home->files},
          {"bytes", home->bytes},
          {"folder", home->folder},
          {"notable", json_of(home->notable)},
          {"conflicts", home->conflicts},
          {"conflicting", json_of(home->conflicting)},
          {"kept", home->kept},
          {"kept_bytes", home->kept_bytes},
          {"failure", home->failure.empty() ? Json(nullptr) : Json(home->failure)},
          {"hint", home->hint.empty() ? Json(nullptr) : Json(home->hint)}};
}

Json json_of(const std::optional<WrittenSummary>& wrote) {
  if (!wrote) return nullptr;
  return {{"files", wrote->files},
          {"bytes", wrote->bytes},
          {"node", wrote->node},
          {"folder", wrote->folder},
          {"notable", json_of(wrote->notable)},
          {"home", json_of(wrote->home)}};
}

Json json_of(const std::optional<Usage>& usage) {
  if (!usage) return nullptr;
  return {{"cpu_us", usage->cpu.us},
          {"memory_peak_bytes", usage->memory_peak_bytes},
          {"memory_bytes", usage->memory_bytes},
          {"read_bytes", usage->read_bytes},
          {"written_bytes", usage->written_bytes}};
}

Json json_of(const Resources& resources) {
  return {{"cpu_milli", resources.cpu_milli},
          {"memory_bytes", resources.memory_bytes},
          {"gpus", resources.gpu_milli != 0 ? Json(gpus_held(resources)) : Json(resources.gpus)},
          {"gpu_type", resources.gpu_type},
          {"gpu_memory_bytes", resources.gpu_memory_bytes},
          {"extras", resources.extras}};
}

Json json_of(const AttemptRecord& attempt) {
  Json out;
  out["task"] = attempt.key.task == kNoTask ? Json(nullptr) : Json(attempt.key.task);
  out["rank"] = attempt.key.rank;
  out["attempt"] = attempt.key.attempt;
  out["node"] = attempt.node;
  out["state"] = state_name(attempt.state);
  out["ending"] = json_of(attempt.ending);
  out["output_bytes"] = attempt.output_bytes;
  if (!attempt.gpus.empty()) out["gpus"] = attempt.gpus;
  out["wrote"] = json_of(attempt.wrote);
  out["usage"] = json_of(attempt.usage);
  out["timeline"] = json_of(attempt.timeline);
  return out;
}

Json json_of(const std::vector<ArrayRange>& array) {
  Json out = Json::array();
  for (const ArrayRange& range : array) {
    out.push_back({{"first", range.first}, {"last", range.last}, {"step", range.step}});
  }
  return out;
}

Json json_of(const std::optional<TaskCounts>& tasks) {
  if (!tasks) return nullptr;
  return {{"total", tasks->total},
          {"running", tasks->running},
          {"succeeded", tasks->succeeded},
          {"failed", tasks->failed},
          {"first_failed", tasks->first_failed}};
}

std::string_view results_name(Results results) {
  switch (results) {
    case Results::kHome:
      return "home";
    case Results::kKeep:
      return "keep";
    case Results::kDiscard:
      return "discard";
  }
  return "?";
}

Json json_of(const PathRules& rules) {
  Json out = Json::array();
  for (const PathRule& rule : rules) {
    Json one = {{"path", rule.path}, {"kind", path_kind_name(rule.kind)}};
    if (!rule.name.empty()) one["name"] = rule.name;
    if (!rule.volume.empty()) one["volume"] = rule.volume;
    if (!rule.source.empty()) one["source"] = rule.source;
    out.push_back(std::move(one));
  }
  return out;
}

// What only jobs of task files have is left out of others.
void add_task_file_facts(Json& out, const JobRecord& job) {
  const JobSpec& spec = job.spec;
  for (const PortRange& range : spec.ports) {
    out["ports"].push_back({{"first", range.first}, {"last", range.last}});
  }
  for (const auto& [heading, text] : spec.notes) out["notes"][heading] = text;
  for (const SweepVariable& variable : spec.sweep) out["sweep"][variable.name] = variable.values;
  if (!spec.sweep.empty() && job.task != kNoTask) {
    out["point"] = sweep_point(spec.sweep, static_cast<uint64_t>(job.task));
  }
  if (spec.group.size != 0) {
    out["group"] = {{"name", spec.group.name},
                    {"task", spec.group.task},
                    {"leader", spec.group.leader == 0 ? job.job : spec.group.leader},
                    {"size", spec.group.size}};
  }
}

Json json_of(const JobRecord& job) {
  const Program& program = job.spec.program;
  Json out;
  out["job"] = job.job;
  out["name"] = job.spec.name;
  out["user"] = job.spec.user;
  out["state"] = state_name(job.state);
  out["reason"] = job.reason;
  out["ending"] = json_of(job.ending);
  out["volume"] = job.spec.root.volume;
  out["tree"] = job.spec.root.tree.is_zero() ? Json(nullptr) : Json(job.spec.root.tree.hex());
  out["dev_container"] = job.spec.dev_container;
  out["argv"] = program.argv;
  out["cwd"] = program.cwd;
  out["uid"] = program.caller.uid;
  out["gid"] = program.caller.gid;
  out["tty"] = program.tty;
  out["env_names"] = job.env_names;
  out["per_node"] = json_of(job.spec.per_node);
  out["nodes"] = job.spec.nodes;
  out["pool"] = job.spec.pool;
  out["array"] = json_of(job.spec.array);
  out["tasks"] = json_of(job.tasks);
  if (job.task != kNoTask) out["task"] = job.task;
  out["after"] = job.spec.after;
  out["after_ok"] = job.spec.after_ok;
  out["after_fail"] = job.spec.after_fail;
  out["labels"] = job.spec.labels;
  out["node_labels"] = job.spec.node_labels;
  if (job.queue_place != 0) out["queue_place"] = job.queue_place;
  if (job.expected_start.us != 0) out["expected_start_us"] = job.expected_start.us;
  if (job.setup) {
    out["setup"] = {
        {"how", setup_how_name(job.setup->how)}, {"job", job.setup->run}, {"why", job.setup->why}};
  }
  if (job.spec.setup_run) out["setup_of"] = job.spec.setup_run->job;
  out["time_limit_us"] = job.spec.time_limit.us;
  if (job.spec.cancel_on_disconnect) out["disconnect_grace_us"] = job.spec.disconnect_grace.us;
  out["priority"] = job.spec.priority;
  out["retries"] = job.spec.retries;
  out["retry_on"] = job.spec.retry_on;
  out["retry_always_on"] = job.spec.retry_always_on;
  out["retry_lost"] = job.spec.retry_lost;
  if (!job.spec.alternatives.empty()) {
    for (const Resources& one : job.spec.alternatives) out["alternatives"].push_back(json_of(one));
  }
  out["warn_signal"] = job.spec.warn_signal;
  out["warn_before_us"] = job.spec.warn_before.us;
  out["results"] = results_name(job.spec.results);
  out["fresh"] = job.spec.fresh;
  out["paths"] = json_of(job.spec.paths);
  add_task_file_facts(out, job);
  out["timeline"] = json_of(job.timeline);
  out["attempts"] = Json::array();
  for (const AttemptRecord& attempt : job.attempts) out["attempts"].push_back(json_of(attempt));
  return out;
}

}  // namespace

std::string submitted_json(JobId job, const Digest& tree, const Timeline& timeline) {
  Json out;
  out["job"] = job;
  out["tree"] = tree.is_zero() ? Json(nullptr) : Json(tree.hex());
  out["timeline"] = json_of(timeline);
  return dump(out);
}

std::string job_json(const JobRecord& job) {
  return dump(json_of(job));
}

std::string jobs_json(const JobList& jobs) {
  Json out;
  out["jobs"] = Json::array();
  for (const JobRecord& job : jobs.jobs) out["jobs"].push_back(json_of(job));
  out["truncated"] = jobs.truncated;
  if (jobs.truncated) out["next_before"] = jobs.next_before;
  return dump(out);
}

std::string volumes_json(const std::vector<VolumeRecord>& volumes) {
  Json list = Json::array();
  for (const VolumeRecord& volume : volumes) {
    Json one = {{"name", volume.name}, {"owner", volume.owner}, {"driver", volume.driver}};
    put_time(one, "created_us", volume.created);
    one["newest_tree"] =
        volume.newest_tree.is_zero() ? Json(nullptr) : Json(volume.newest_tree.hex());
    put_time(one, "newest_taken_us", volume.newest_taken);
    one["newest_files"] = volume.newest_files;
    one["newest_bytes"] = volume.newest_bytes;
    one["newest_number"] = volume.newest_number;
    one["snapshots"] = volume.snapshots;
    one["quota_bytes"] = volume.quota_bytes;
    one["damage"] = volume.damage;
    put_time(one, "removed_us", volume.removed);
    put_time(one, "kept_until_us", volume.kept_until);
    one["access"] = volume.access;
    list.push_back(std::move(one));
  }
  Json out;
  out["volumes"] = std::move(list);
  return dump(out);
}

namespace {

Json json_of(const GpuSample& sample) {
  // Of slices the driver tells no use.
  Json out = {{"busy_percent", is_slice_number(sample.index) ? Json() : Json(sample.busy_percent)},
              {"memory_bytes", sample.memory_bytes}};
  if (sample.temperature_c != 0) out["temperature_c"] = sample.temperature_c;
  if (sample.power_mw != 0) out["power_mw"] = sample.power_mw;
  out["processes"] = Json::array();
  for (const GpuProcess& process : sample.processes) {
    out["processes"].push_back({{"pid", process.pid},
                                {"memory_bytes", process.memory_bytes},
                                {"program", process.program},
                                {"attempt", process.key ? Json(to_string(*process.key)) : Json()}});
  }
  return out;
}

Json gpus_of(const NodeRecord& node) {
  Json out = Json::array();
  for (const Gpu& gpu : node.hello.gpus) {
    Json one = {{"index", gpu.index}, {"type", gpu.type},
                {"name", gpu.name},   {"memory_bytes", gpu.memory_bytes},
                {"uuid", gpu.uuid},   {"attempt", nullptr}};
    if (const auto key = node_gpu_holder(node, gpu.index)) one["attempt"] = to_string(*key);
    if (!gpu.trouble.empty()) one["trouble"] = gpu.trouble;
    if (!gpu.others.empty()) one["others"] = gpu.others;
    if (!gpu.slice.empty()) one["slice"] = gpu.slice, one["slice_of"] = gpu.slice_of;
    if (gpu.link != 0) one["link"] = gpu.link;
    if (gpu.numa != 0) one["numa_node"] = gpu.numa - 1;
    for (const GpuSample& sample : node.gpu_samples) {
      if (sample.index == gpu.index) one["use"] = json_of(sample);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string nodes_json(const std::vector<NodeRecord>& nodes) {
  Json list = Json::array();
  for (const NodeRecord& node : nodes) {
    Json one;
    one["name"] = node.hello.name;
    one["address"] = node.hello.address;
    one["version"] = node.hello.version;
    one["connected"] = node.connected;
    put_time(one, "last_heard_us", node.last_heard);
    one["pools"] = node.hello.pools;
    one["dev_containers"] = node.hello.dev_containers;
    one["total"] = json_of(node.hello.total);
    one["used"] = json_of(node.used);
    one["attempts"] = node.attempts;
    if (!node.hello.gpus.empty()) one["gpus"] = gpus_of(node);
    if (!node.hello.gpu_driver.empty()) one["gpu_driver"] = node.hello.gpu_driver;
    if (!node.hello.site_paths.empty()) one["site_mounts"] = node.hello.site_paths;
    if (node.hello.leaves.us != 0) put_time(one, "leaves_us", node.hello.leaves);
    if (!node.trouble.empty()) one["trouble"] = node.trouble;
    if (!node.files.empty()) one["files"] = node.files;
    list.push_back(std::move(one));
  }
  Json out;
  out["nodes"] = std::move(list);
  return dump(out);
}

}  // namespace devrun::cli
