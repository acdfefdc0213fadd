#include "common/wire/job.h"

#include <fmt/format.h>

#include "common/base/utf8.h"

namespace devrun::wire {

namespace {

Error bad_field(std::string_view field, std::string_view expected) {
  return {Code::kInvalid, fmt::format("{} is malformed: expected {}", field, expected), {}};
}

Result<Digest> digest(std::string_view raw, std::string_view field) {
  const auto out = Digest::from_bytes(raw);
  if (!out) return bad_field(field, "32 bytes");
  return *out;
}

template <typename Key, typename Value>
std::map<Key, Value> ordered(const google::protobuf::Map<Key, Value>& in) {
  return {in.begin(), in.end()};
}

}  // namespace

pb::Resources to_proto(const Resources& in) {
  pb::Resources out;
  out.set_cpu_milli(in.cpu_milli);
  out.set_memory_bytes(in.memory_bytes);
  out.set_gpus(in.gpus);
  out.set_gpu_type(in.gpu_type);
  out.set_gpu_memory_bytes(in.gpu_memory_bytes);
  for (const auto& [name, amount] : in.extras) (*out.mutable_extras())[name] = amount;
  out.set_gpu_milli(in.gpu_milli);
  return out;
}

Resources from_proto(const pb::Resources& in) {
  return {in.cpu_milli(),        in.memory_bytes(),    in.gpus(),     in.gpu_type(),
          in.gpu_memory_bytes(), ordered(in.extras()), in.gpu_milli()};
}

pb::Caller to_proto(const Caller& in) {
  pb::Caller out;
  out.set_uid(in.uid);
  out.set_gid(in.gid);
  for (const uint32_t group : in.groups) out.add_groups(group);
  out.set_umask(in.umask);
  out.set_user(in.user);
  out.set_home(in.home);
  return out;
}

Caller from_proto(const pb::Caller& in) {
  return {in.uid(),   in.gid(),  {in.groups().begin(), in.groups().end()},
          in.umask(), in.user(), in.home()};
}

pb::SiteIdentity to_proto(const SiteIdentity& in) {
  pb::SiteIdentity out;
  out.set_uid(in.uid);
  out.set_gid(in.gid);
  for (const uint32_t group : in.groups) out.add_groups(group);
  return out;
}

Result<SiteIdentity> from_proto(const pb::SiteIdentity& in) {
  SiteIdentity out{in.uid(), in.gid(), {in.groups().begin(), in.groups().end()}};
  TRY(check_site_identity(out));
  return out;
}

pb::Root to_proto(const Root& in) {
  pb::Root out;
  out.set_volume(in.volume);
  if (!in.tree.is_zero()) out.set_tree(std::string(in.tree.view()));
  for (const Digest& change_set : in.change_sets)
    out.add_change_sets(std::string(change_set.view()));
  out.set_live(in.live);
  if (!in.volume_tree.is_zero()) out.set_volume_tree(std::string(in.volume_tree.view()));
  return out;
}

Result<Root> from_proto(const pb::Root& in) {
  Root out;
  out.volume = in.volume();
  if (!in.tree().empty()) out.tree = TRY(digest(in.tree(), "root.tree"));
  for (const std::string& raw : in.change_sets()) {
    out.change_sets.push_back(TRY(digest(raw, "root.change_sets")));
  }
  out.live = in.live();
  if (!in.volume_tree().empty()) out.volume_tree = TRY(digest(in.volume_tree(), "volume_tree"));
  return out;
}

pb::TerminalSize to_proto(const TerminalSize& in) {
  pb::TerminalSize out;
  out.set_rows(in.rows);
  out.set_columns(in.columns);
  return out;
}

TerminalSize from_proto(const pb::TerminalSize& in) {
  return {in.rows(), in.columns()};
}

pb::Program to_proto(const Program& in) {
  pb::Program out;
  for (const std::string& word : in.argv) out.add_argv(word);
  out.set_cwd(in.cwd);
  out.set_sealed_env(in.sealed_env);
  *out.mutable_caller() = to_proto(in.caller);
  out.set_tty(in.tty);
  *out.mutable_terminal() = to_proto(in.terminal);
  out.set_reads_stdin(in.reads_stdin);
  for (const std::string& word : in.setup) out.add_setup(word);
  return out;
}

Program from_proto(const pb::Program& in) {
  Program out;
  out.argv.assign(in.argv().begin(), in.argv().end());
  out.cwd = in.cwd();
  out.sealed_env = in.sealed_env();
  out.caller = from_proto(in.caller());
  out.tty = in.tty();
  out.terminal = from_proto(in.terminal());
  out.reads_stdin = in.reads_stdin();
  out.setup.assign(in.setup().begin(), in.setup().end());
  return out;
}

namespace {

void add_task_file_facts(const JobSpec& in, pb::JobSpec& out) {
  for (const SweepVariable& variable : in.sweep) {
    pb::SweepVariable* added = out.add_sweep();
    added->set_name(variable.name);
    for (const std::string& value : variable.values) added->add_values(value);
  }
  for (const PortRange& range : in.ports) {
    pb::PortRange* added = out.add_ports();
    added->set_first(range.first);
    added->set_last(range.last);
  }
  for (const auto& [heading, text] : in.notes) (*out.mutable_notes())[heading] = in_utf8(text);
  if (in.group.size == 0) return;
  out.mutable_group()->set_leader(in.group.leader);
  out.mutable_group()->set_size(in.group.size);
  out.mutable_group()->set_name(in.group.name);
  out.mutable_group()->set_task(in.group.task);
  out.mutable_group()->set_secondary(in.group.secondary);
}

Status take_task_file_facts(const pb::JobSpec& in, JobSpec& out) {
  for (const pb::SweepVariable& variable : in.sweep()) {
    out.sweep.push_back({variable.name(), {variable.values().begin(), variable.values().end()}});
  }
  for (const pb::PortRange& range : in.ports()) {
    if (range.first() == 0 || range.last() < range.first() || range.last() > 65'535) {
      return bad_field("ports", "ranges of 1 to 65535");
    }
    out.ports.push_back(
        {static_cast<uint16_t>(range.first()), static_cast<uint16_t>(range.last())});
  }
  out.notes = ordered(in.notes());
  if (in.has_group()) {
    out.group = {in.group().leader(), in.group().size(), in.group().name(), in.group().task(),
                 in.group().secondary()};
  }
  return ok();
}

}  // namespace

pb::JobSpec to_proto(const JobSpec& in) {
  pb::JobSpec out;
  out.set_name(in.name);
  out.set_user(in.user);
  *out.mutable_root() = to_proto(in.root);
  *out.mutable_program() = to_proto(in.program);
  *out.mutable_per_node() = to_proto(in.per_node);
  out.set_nodes(in.nodes);
  out.set_pool(in.pool);
  for (const ArrayRange& range : in.array) {
    pb::ArrayRange* added = out.add_array();
    added->set_first(range.first);
    added->set_last(range.last);
    added->set_step(range.step);
  }
  out.set_array_running_max(in.array_running_max);
  out.mutable_after()->Add(in.after.begin(), in.after.end());
  out.mutable_after_ok()->Add(in.after_ok.begin(), in.after_ok.end());
  out.mutable_after_fail()->Add(in.after_fail.begin(), in.after_fail.end());
  out.set_time_limit_us(in.time_limit.us);
  out.set_priority(in.priority);
  out.set_dev_container(in.dev_container);
  out.set_cancel_on_disconnect(in.cancel_on_disconnect);
  out.set_disconnect_grace_us(in.disconnect_grace.us);
  out.set_retries(in.retries);
  out.mutable_retry_on()->Add(in.retry_on.begin(), in.retry_on.end());
  out.set_warn_signal(in.warn_signal);
  out.set_warn_before_us(in.warn_before.us);
  for (const PathRule& rule : in.paths) *out.add_paths() = to_proto(rule);
  out.set_results(static_cast<pb::Results>(in.results));
  out.set_fresh(in.fresh);
  out.mutable_labels()->insert(in.labels.begin(), in.labels.end());
  out.mutable_node_labels()->insert(in.node_labels.begin(), in.node_labels.end());
  add_task_file_facts(in, out);
  if (in.setup_once != SetupOnce{}) *out.mutable_setup_once() = to_proto(in.setup_once);
  if (in.setup_run) *out.mutable_setup_run() = to_proto(*in.setup_run);
  out.mutable_retry_always_on()->Add(in.retry_always_on.begin(), in.retry_always_on.end());
  out.set_retry_lost(in.retry_lost);
  for (const Resources& one : in.alternatives) *out.add_alternatives() = to_proto(one);
  if (in.several.size != 0) {
    out.mutable_several()->set_leader(in.several.leader);
    out.mutable_several()->set_index(in.several.index);
    out.mutable_several()->set_size(in.several.size);
  }
  for (const auto& [volume, made] : in.live_volumes)
    (*out.mutable_live_volumes())[volume] = made.us;
  return out;
}

Result<JobSpec> from_proto(const pb::JobSpec& in) {
  JobSpec out;
  out.name = in.name();
  out.user = in.user();
  out.root = TRY(from_proto(in.root()));
  out.program = from_proto(in.program());
  out.per_node = from_proto(in.per_node());
  out.nodes = in.nodes();
  out.pool = in.pool();
  for (const pb::ArrayRange& range : in.array()) {
    out.array.push_back({range.first(), range.last(), range.step()});
  }
  out.array_running_max = in.array_running_max();
  out.after.assign(in.after().begin(), in.after().end());
  out.after_fail.assign(in.after_fail().begin(), in.after_fail().end());
  out.after_ok.assign(in.after_ok().begin(), in.after_ok().end());
  out.time_limit = {in.time_limit_us()};
  out.priority = in.priority();
  out.dev_container = in.dev_container();
  out.cancel_on_disconnect = in.cancel_on_disconnect();
  out.disconnect_grace = {in.disconnect_grace_us()};
  out.retries = in.retries();
  out.retry_on.assign(in.retry_on().begin(), in.retry_on().end());
  out.warn_signal = in.warn_signal();
  out.warn_before = {in.warn_before_us()};
  out.paths = TRY(path_rules_from(in.paths()));
  out.results = TRY(from_proto(in.results()));
  out.fresh = in.fresh();
  out.labels = ordered(in.labels());
  out.node_labels = ordered(in.node_labels());
  TRY(take_task_file_facts(in, out));
  out.setup_once = TRY(from_proto(in.setup_once()));
  if (in.has_setup_run()) out.setup_run = TRY(from_proto(in.setup_run()));
  out.retry_always_on.assign(in.retry_always_on().begin(), in.retry_always_on().end());
  out.retry_lost = in.retry_lost();
  for (const pb::Resources& one : in.alternatives()) out.alternatives.push_back(from_proto(one));
  out.several = {in.several().leader(), in.several().index(), in.several().size()};
  for (const auto& [volume, made] : in.live_volumes()) out.live_volumes[volume] = Time{made};
  return out;
}

pb::Ending to_proto(const Ending& in) {
  pb::Ending out;
  out.set_cause(static_cast<pb::EndCause>(in.cause));
  out.set_status(in.status);
  out.set_reason(in_utf8(in.reason));
  out.set_hint(in_utf8(in.hint));
  out.set_fault(static_cast<pb::Fault>(in.fault));
  return out;
}

Result<Ending> from_proto(const pb::Ending& in) {
  if (in.cause() < pb::EXITED || in.cause() > pb::LOST)
    return bad_field("ending.cause", "a known cause");
  // What a newer agent may say beyond these is nothing for which others answer.
  const bool known = pb::Fault_IsValid(in.fault());
  return Ending{static_cast<EndCause>(in.cause()), in.status(), in.reason(), in.hint(),
                known ? static_cast<Fault>(in.fault()) : Fault::kNode};
}

pb::AttemptKey to_proto(const AttemptKey& in) {
  pb::AttemptKey out;
  out.set_job(in.job);
  out.set_task(in.task);
  out.set_rank(in.rank);
  out.set_attempt(in.attempt);
  return out;
}

Result<AttemptKey> from_proto(const pb::AttemptKey& in) {
  if (in.job() == 0) return bad_field("attempt.job", "a number from 1");
  if (in.task() < kNoTask) return bad_field("attempt.task", "-1 or more");
  if (in.attempt() == 0) return bad_field("attempt.attempt", "a number from 1");
  return AttemptKey{in.job(), in.task(), in.rank(), in.attempt()};
}

namespace {

using WrittenFiles = google::protobuf::RepeatedPtrField<pb::WrittenFile>;

void add_files(const std::vector<WrittenFile>& in, WrittenFiles& out) {
  for (const WrittenFile& file : in) {
    pb::WrittenFile* added = out.Add();
    added->set_path(file.path);
    added->set_kind(static_cast<unsigned char>(file.kind));
    added->set_size_bytes(file.size_bytes);
  }
}

std::vector<WrittenFile> files_from(const WrittenFiles& in) {
  std::vector<WrittenFile> out;
  for (const pb::WrittenFile& file : in) {
    if (out.size() == kNotableFilesMax) break;
    out.push_back({file.path(), static_cast<char>(file.kind()), file.size_bytes()});
  }
  return out;
}

}  // namespace

pb::HomeSummary to_proto(const HomeSummary& in) {
  pb::HomeSummary out;
  out.set_files(in.files);
  out.set_bytes(in.bytes);
  out.set_folder(in.folder);
  add_files(in.notable, *out.mutable_notable());
  out.set_conflicts(in.conflicts);
  add_files(in.conflicting, *out.mutable_conflicting());
  out.set_kept(in.kept);
  out.set_kept_bytes(in.kept_bytes);
  out.set_failure(in.failure);
  out.set_hint(in.hint);
  return out;
}

HomeSummary from_proto(const pb::HomeSummary& in) {
  return {in.files(),     in.bytes(),
          in.folder(),    files_from(in.notable()),
          in.conflicts(), files_from(in.conflicting()),
          in.kept(),      in.kept_bytes(),
          in.failure(),   in.hint()};
}

pb::PathRule to_proto(const PathRule& in) {
  pb::PathRule out;
  out.set_path(in.path);
  out.set_name(in.name);
  out.set_kind(static_cast<pb::PathKind>(in.kind));
  out.set_volume(in.volume);
  out.set_source(in.source);
  return out;
}

Result<PathRule> from_proto(const pb::PathRule& in) {
  if (in.kind() < pb::PATH_HOME || in.kind() > pb::PATH_BOUND) {
    return bad_field("path.kind", "a known kind");
  }
  if (!in.path().starts_with('/')) return bad_field("path.path", "an absolute path");
  return PathRule{in.path(), in.name(), static_cast<PathKind>(in.kind()), in.volume(), in.source()};
}

Result<Results> from_proto(pb::Results in) {
  if (in < pb::RESULTS_HOME || in > pb::RESULTS_DISCARD) return bad_field("results", "a known one");
  return static_cast<Results>(in);
}

Result<PathRules> path_rules_from(const google::protobuf::RepeatedPtrField<pb::PathRule>& in) {
  if (static_cast<size_t>(in.size()) > kPathRulesMax) return bad_field("paths", "fewer rules");
  PathRules out;
  for (const pb::PathRule& rule : in) out.push_back(TRY(from_proto(rule)));
  return out;
}

pb::WrittenSummary to_proto(const WrittenSummary& in) {
  pb::WrittenSummary out;
  out.set_files(in.files);
  out.set_bytes(in.bytes);
  out.set_node(in.node);
  out.set_folder(in.folder);
  add_files(in.notable, *out.mutable_notable());
  if (in.home) *out.mutable_home() = to_proto(*in.home);
  return out;
}

WrittenSummary from_proto(const pb::WrittenSummary& in) {
  WrittenSummary out{in.files(), in.bytes(), in.node(), in.folder(), files_from(in.notable())};
  if (in.has_home()) out.home = from_proto(in.home());
  return out;
}

pb::Usage to_proto(const Usage& in) {
  pb::Usage out;
  out.set_cpu_us(in.cpu.us);
  out.set_memory_peak_bytes(in.memory_peak_bytes);
  out.set_memory_bytes(in.memory_bytes);
  out.set_read_bytes(in.read_bytes);
  out.set_written_bytes(in.written_bytes);
  return out;
}

Usage from_proto(const pb::Usage& in) {
  return {{in.cpu_us()},
          in.memory_peak_bytes(),
          in.memory_bytes(),
          in.read_bytes(),
          in.written_bytes()};
}

pb::Timeline to_proto(const Timeline& in) {
  pb::Timeline out;
  out.set_submitted_us(in.submitted.us);
  out.set_snapshot_taken_us(in.snapshot_taken.us);
  out.set_journaled_us(in.journaled.us);
  out.set_placed_us(in.placed.us);
  out.set_agent_received_us(in.agent_received.us);
  out.set_mounted_us(in.mounted.us);
  out.set_started_us(in.started.us);
  out.set_first_byte_us(in.first_byte.us);
  out.set_ended_us(in.ended.us);
  return out;
}

Timeline from_proto(const pb::Timeline& in) {
  return {{in.submitted_us()}, {in.snapshot_taken_us()}, {in.journaled_us()},
          {in.placed_us()},    {in.agent_received_us()}, {in.mounted_us()},
          {in.started_us()},   {in.first_byte_us()},     {in.ended_us()}};
}

pb::JobState to_proto(JobState in) {
  return static_cast<pb::JobState>(in);
}

Result<JobState> from_proto(pb::JobState in) {
  if (in < pb::QUEUED || in > pb::NODE_LOST) return bad_field("state", "a known state");
  return static_cast<JobState>(in);
}

}  // namespace devrun::wire
