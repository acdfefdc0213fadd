#include "common/wire/attempt.h"

#include "common/base/utf8.h"

namespace devrun::wire {

namespace {
constexpr size_t kWaitsForBytesMax = 1024;
}  // namespace

pb::AttemptSpec to_proto(const AttemptSpec& in) {
  pb::AttemptSpec out;
  *out.mutable_key() = to_proto(in.key);
  out.set_job_name(in.job_name);
  out.set_user(in.user);
  *out.mutable_root() = to_proto(in.root);
  *out.mutable_program() = to_proto(in.program);
  out.set_env(in.env);
  *out.mutable_resources() = to_proto(in.resources);
  out.set_ranks(in.ranks);
  for (const std::string& address : in.rank_addresses) out.add_rank_addresses(address);
  out.set_dev_container(in.dev_container);
  out.set_array_index(in.array_index);
  out.set_array_tasks(in.array_tasks);
  out.mutable_gpus()->Add(in.gpus.begin(), in.gpus.end());
  out.set_lease_us(in.lease.us);
  out.set_time_limit_us(in.time_limit.us);
  for (const PathRule& rule : in.paths) *out.add_paths() = to_proto(rule);
  out.set_results(static_cast<pb::Results>(in.results));
  for (const std::string& variable : in.point) out.add_point(variable);
  out.set_group_name(in.group_name);
  out.set_task_id(in.task_id);
  for (const std::string& id : in.task_ids) out.add_task_ids(id);
  for (const std::string& variable : in.gpu_variables) out.add_gpu_variables(variable);
  out.set_setup_for_ranks(in.setup_for_ranks);
  out.set_reads_if_failed(in.reads_if_failed);
  out.set_tmp_in_root(in.tmp_in_root);
  out.set_ssh_seed(in.ssh_seed);
  if (in.site_identity) *out.mutable_site_identity() = to_proto(*in.site_identity);
  out.set_nobody_on_sites(in.nobody_on_sites);
  return out;
}

Result<AttemptSpec> from_proto(const pb::AttemptSpec& in) {
  AttemptSpec out;
  out.key = TRY(from_proto(in.key()));
  out.job_name = in.job_name();
  out.user = in.user();
  out.root = TRY(from_proto(in.root()));
  out.program = from_proto(in.program());
  out.env = in.env();
  out.resources = from_proto(in.resources());
  out.ranks = in.ranks();
  out.rank_addresses.assign(in.rank_addresses().begin(), in.rank_addresses().end());
  out.dev_container = in.dev_container();
  out.array_index = in.array_index();
  out.array_tasks = in.array_tasks();
  out.gpus.assign(in.gpus().begin(), in.gpus().end());
  out.lease = {in.lease_us()};
  out.time_limit = {in.time_limit_us()};
  out.paths = TRY(path_rules_from(in.paths()));
  out.results = TRY(from_proto(in.results()));
  out.point.assign(in.point().begin(), in.point().end());
  out.group_name = in.group_name();
  out.task_id = in.task_id();
  out.task_ids.assign(in.task_ids().begin(), in.task_ids().end());
  out.gpu_variables.assign(in.gpu_variables().begin(), in.gpu_variables().end());
  out.setup_for_ranks = in.setup_for_ranks();
  out.reads_if_failed = in.reads_if_failed();
  out.tmp_in_root = in.tmp_in_root();
  out.ssh_seed = in.ssh_seed();
  if (in.has_site_identity()) out.site_identity = TRY(from_proto(in.site_identity()));
  out.nobody_on_sites = in.nobody_on_sites();
  return out;
}

pb::ObservedAttempt to_proto(const ObservedAttempt& in) {
  pb::ObservedAttempt out;
  *out.mutable_key() = to_proto(in.key);
  out.set_phase(static_cast<pb::Phase>(in.phase));
  if (in.ending) *out.mutable_ending() = to_proto(*in.ending);
  out.set_output_bytes(in.output_bytes);
  if (in.wrote) *out.mutable_wrote() = to_proto(*in.wrote);
  *out.mutable_timeline() = to_proto(in.timeline);
  out.set_setup_done(in.setup_done);
  if (in.usage) *out.mutable_usage() = to_proto(*in.usage);
  out.set_waits_for(in_utf8(std::string_view(in.waits_for).substr(0, kWaitsForBytesMax)));
  return out;
}

Result<ObservedAttempt> from_proto(const pb::ObservedAttempt& in) {
  ObservedAttempt out;
  out.key = TRY(from_proto(in.key()));
  if (in.phase() < pb::PHASE_STARTING || in.phase() > pb::PHASE_ENDED) {
    return Error{Code::kInvalid, "observed.phase is malformed: expected a known phase", {}};
  }
  out.phase = static_cast<Phase>(in.phase());
  if (in.has_ending()) out.ending = TRY(from_proto(in.ending()));
  if ((out.phase == Phase::kEnded) != out.ending.has_value()) {
    return Error{Code::kInvalid, "observed.ending is malformed: expected exactly with ENDED", {}};
  }
  out.output_bytes = in.output_bytes();
  if (in.has_wrote()) out.wrote = from_proto(in.wrote());
  out.timeline = from_proto(in.timeline());
  out.setup_done = in.setup_done();
  if (in.has_usage()) out.usage = from_proto(in.usage());
  if (out.phase == Phase::kStarting) out.waits_for = in.waits_for().substr(0, kWaitsForBytesMax);
  return out;
}

pb::Desired to_proto(const DesiredAttempt& in) {
  pb::Desired out;
  *out.mutable_key() = to_proto(in.key);
  out.set_stop(in.goal == Goal::kStop);
  out.set_stop_cause(static_cast<pb::EndCause>(in.stop_cause));
  out.set_stop_signal(in.stop_signal);
  out.set_stop_grace_us(in.stop_grace.us);
  out.set_go(in.go);
  out.set_leave_results(in.leave_results);
  out.set_first_rank_ended(in.first_rank_ended);
  for (const std::string& host : in.hosts) out.add_hosts(host);
  return out;
}

Result<DesiredAttempt> from_proto(const pb::Desired& in) {
  DesiredAttempt out;
  out.key = TRY(from_proto(in.key()));
  out.goal = in.stop() ? Goal::kStop : Goal::kRun;
  out.go = in.go();
  out.leave_results = in.leave_results();
  out.first_rank_ended = in.first_rank_ended();
  out.hosts.assign(in.hosts().begin(), in.hosts().end());
  if (!in.stop()) return out;
  if (in.stop_cause() < pb::EXITED || in.stop_cause() > pb::LOST) {
    return Error{Code::kInvalid, "desired.stop_cause is malformed: expected a known cause", {}};
  }
  out.stop_cause = static_cast<EndCause>(in.stop_cause());
  out.stop_signal = in.stop_signal();
  out.stop_grace = {in.stop_grace_us()};
  return out;
}

std::string serialize(const AttemptSpec& spec) {
  return to_proto(spec).SerializeAsString();
}

Result<AttemptSpec> parse_attempt_spec(std::string_view bytes) {
  pb::AttemptSpec message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{Code::kCorrupt, "an attempt's spec is not readable", {}};
  }
  return from_proto(message);
}

}  // namespace devrun::wire
