#include "controller/rpc/submit_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/model/fits.h"
#include "common/wire/job.h"
#include "controller/rpc/check_submit.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/live_rights.h"
#include "controller/rpc/setup_keys.h"
#include "controller/rpc/status.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

// In a job that has ended, also a task that was never placed: it was cancelled.
bool has_failed(const Job& job, int32_t index) {
  const auto it = job.tasks.find(index);
  if (it == job.tasks.end()) return job.outcome.has_value();
  return it->second.outcome && it->second.outcome->state != JobState::kSucceeded;
}

// As few ranges as there are runs of numbers.
Result<std::vector<ArrayRange>> failed_tasks(const Job& job) {
  std::vector<int32_t> failed;
  for (const ArrayRange& range : job.spec.array) {
    for (int64_t index = range.first; index <= range.last; index += range.step) {
      const auto task = static_cast<int32_t>(index);
      if (has_failed(job, task)) failed.push_back(task);
    }
  }
  std::sort(failed.begin(), failed.end());
  if (!failed.empty()) return ranges_of(failed);
  return Error{Code::kConflict,
               job.spec.array.empty() ? fmt::format("job {} is no array", job.id)
                                      : fmt::format("no task of job {} has failed", job.id),
               fmt::format("devrun show {}", job.id)};
}

// Of a dev container, where its caller says nothing.
void limit(Resources& resources, const Policy& policy) {
  if (resources.cpu_milli == 0) resources.cpu_milli = policy.dev_container_cpu_milli;
  if (resources.memory_bytes == 0) resources.memory_bytes = policy.dev_container_memory_bytes;
}

}  // namespace

void SubmitCall::fail(const Error& error) {
  reactor_.Finish(to_status(error));
}

void SubmitCall::start() {
  timeline_.submitted = clock_now();
  if (!request_.has_again()) {
    Result<JobSpec> spec = check_submit(request_);
    if (!spec) return fail(spec.error());
    spec_ = std::move(*spec);
    spec_.setup_run.reset();  // not a caller's to say
  }
  std::vector<JobId> again;
  if (request_.has_again()) again.push_back(request_.again().job());
  parts_.core.read_jobs(std::move(again), [self = shared_from_this()](const State& state, Time,
                                                                      const Status& read) {
    const Status looked = read ? self->look(state) : read;
    if (!looked) return self->fail(looked.error());
    if (self->known_ != 0) return self->answer(self->known_);
    const bool queued = self->parts_.snapshots.run([self] {
      if (const Status prepared = self->prepare(); !prepared) return self->fail(prepared.error());
      self->submit();
    });
    if (!queued) {
      self->fail({Code::kExhausted, "too many submissions wait for their snapshots", "try again"});
    }
  });
}

Status SubmitCall::look(const State& state) {
  who_ = TRY(resolve(state, peer_));
  if (request_.has_again()) {
    const Job* old = TRY(visible_job(state, who_, request_.again().job()));
    spec_ = TRY(check_again(request_, old->spec));
    if (request_.again().failed()) spec_.array = TRY(failed_tasks(*old));
    spec_.setup_run.reset();
    // What it waited for is in it; what its setup step wrote is found again.
    if (!old->root.is_zero()) {
      spec_.root.tree = old->setup ? old->setup->plain : old->root;
      if (old->volume_tree) spec_.root.volume_tree = *old->volume_tree;
      spec_.after.clear();
      spec_.after_ok.clear();
      spec_.after_fail.clear();
    }
    root_is_set_ = true;
  }
  sites_ = site_paths(state);
  gpu_types_ = gpu_types(state);
  if (lives_on_storage_host(spec_)) limit(spec_.per_node, state.policy);
  spec_.user = who_.user;
  merge_overlaps(spec_.array);
  known_ = TRY(parts_.core.find_request(spec_.user, request_.request_id())).value_or(0);
  if (known_ != 0 || !who_.from) return ok();
  // A dev container itself is root's, and its sessions are looked at one by one.
  if (!spec_.dev_container) TRY(who_.from->check_ids(spec_.program.caller, "submit"));
  if (!spec_.root.volume.empty() && spec_.root.volume != who_.from->volume) {
    if (who_.from->uid == 0) return ok();
    return Error{Code::kDenied,
                 fmt::format("only root of volume '{}' may use its owner's other volumes",
                             who_.from->volume),
                 "devrun without --volume"};
  }
  if (root_is_set_) return ok();
  spec_.root.volume = who_.from->volume;
  const Job& caller = state.jobs.at(who_.from->job);
  const JobSpec& from = caller.spec;
  if (!from.root.live && !spec_.dev_container && request_.snapshot().empty()) {
    spec_.root = from.root;  // inside a job, the snapshot is the job's tree
    if (!caller.root.is_zero()) spec_.root.tree = caller.root;
    spec_.root.volume_tree = volume_tree_of(caller);
    root_is_set_ = true;
  }
  return ok();
}

// Whoever starts it, it is the volume's: its owner finds it, and is who calls from inside. So nobody else gets into one.
Status SubmitCall::check_dev_container() {
  if (!spec_.dev_container) return ok();
  const storage::VolumeInfo volume = TRY(parts_.storage.volume(spec_.root.volume));
  if (level_on(who_, volume) < Level::kOwn) {
    return Error{
        Code::kDenied,
        fmt::format("the dev container of volume '{}' is for '{}', whose volume it is", volume.name,
                    volume.owner),
        fmt::format(
            "devrun --volume {} -- CMD, which runs in a snapshot; devrun volume fork {} NEW",
            volume.name, volume.name)};
  }
  spec_.user = volume.owner;
  return ok();
}

Status SubmitCall::stay_within_rights() {
  storage::Storage& storage = parts_.storage;
  for (const PathRule& rule : spec_.paths) {
    if (rule.volume.empty() || rule.volume == spec_.root.volume) continue;
    TRY(volume_of_request(storage, who_, rule.volume, Level::kWrite));
  }
  const storage::VolumeInfo volume = TRY(storage.volume(spec_.root.volume));
  if (level_on(who_, volume) >= Level::kWrite) return ok();
  if (spec_.results == Results::kHome) spec_.results = Results::kKeep;
  for (const PathRule& rule : spec_.paths) {
    if (rule.kind != PathKind::kLive || !(rule.volume.empty() || rule.volume == volume.name)) {
      continue;
    }
    return Error{
        Code::kDenied,
        fmt::format("'{}' would be the live folder of volume '{}' of '{}', which is shared "
                    "with '{}' for reading alone",
                    rule.path, volume.name, volume.owner, who_.user),
        "devrun without --live; devrun volume paths"};
  }
  return ok();
}

Status SubmitCall::check_tree() {
  const auto is_there = [this](const Digest& tree) {
    const auto nothing = [](const tree::Difference&) { return ok(); };
    return parts_.storage.diff_trees(tree, tree, nothing).has_value();
  };
  const auto found = parts_.storage.find_snapshot({spec_.root.volume, spec_.root.tree.hex()});
  if (!found && found.error().code != Code::kNotFound) return found.error();
  // That of a job that waited for others is no snapshot of the volume, and what it was given besides is told against another tree.
  const Digest& other = spec_.root.volume_tree;
  const bool has_all = (found || is_there(spec_.root.tree)) && (other.is_zero() || is_there(other));
  if (has_all) return ok();
  return Error{Code::kNotFound,
               fmt::format("the snapshot of job {} is kept no more", request_.again().job()),
               "devrun snapshot ls " + spec_.root.volume};
}

Status SubmitCall::settle_paths() {
  if (spec_.dev_container) return ok();
  PathRules of_volume = TRY(parts_.storage.volume_paths(spec_.root.volume));
  const storage::VolumeInfo volume = TRY(parts_.storage.volume(spec_.root.volume));
  if (level_on(who_, volume) < Level::kWrite) {
    // What is live for its owner is what the snapshot has of it for others.
    for (PathRule& rule : of_volume) {
      if (rule.kind == PathKind::kLive) rule.kind = PathKind::kKept;
    }
  }
  spec_.paths = effective_paths(spec_.program, of_volume, sites_, spec_.paths);
  site_ = site_of(sites_, spec_.program.cwd);
  return ok();
}

Status SubmitCall::prepare() {
  if (spec_.root.volume.empty()) {
    return Error{Code::kInvalid, "no volume to run in: this is no dev container",
                 "devrun --volume V …, or set DEVRUN_VOLUME; devrun volume ls"};
  }
  // Before anything is asked about them.
  JobSpec all = spec_;
  all.paths.push_back({"/", {}, PathKind::kLive});  // the volume's own paths may be live, too
  const std::map<std::string, Time> made = volumes_made(parts_.storage, all);
  // Inside a job its own tree is there to it, whoever else's the volume is.
  const bool is_own_tree = root_is_set_ && !request_.has_again();
  if (!is_own_tree) TRY(check_volume(parts_.storage, who_, spec_.root.volume));
  TRY(check_dev_container());
  if (!spec_.dev_container) TRY(parts_.quotas.check_output(spec_.user));
  if (request_.has_again()) {
    TRY(stay_within_rights());
    note_live_volumes(made);
    TRY(check_tree());
    return check_store_quota();
  }
  spec_.program.sealed_env = TRY(parts_.sealer.seal(request_.env()));
  TRY(prepare_root());
  note_live_volumes(made);
  spec_.setup_once = setup_keys(spec_, request_.env(), gpu_types_, parts_.sealer);
  // On which kind of node it runs is known when it is placed.
  if (spec_.alternatives.size() > 1) spec_.setup_once = {};
  hold_to_gpu_type();
  look_for_setup();
  return ok();
}

// Of those that are live in the end.
void SubmitCall::note_live_volumes(const std::map<std::string, Time>& made) {
  spec_.live_volumes.clear();
  for (const auto& [volume, when] : made) {
    if (has_live_folder_of(spec_, volume)) spec_.live_volumes[volume] = when;
  }
}

// The step's results are of the one type of GPU that there is, and another may join before the job starts.
void SubmitCall::hold_to_gpu_type() {
  Resources& need = spec_.per_node;
  if (!has_setup_once(spec_) || need.gpus == 0 || !need.gpu_type.empty()) return;
  if (gpu_types_.size() == 1) need.gpu_type = *gpu_types_.begin();
}

void SubmitCall::look_for_setup() {
  if (!has_setup_once(spec_) || waits_for_others(spec_)) return;
  Result<storage::SetupFound> found = parts_.storage.find_setup(
      {spec_.root.volume, spec_.root.tree, spec_.setup_once, spec_.program.caller.home, true});
  // What went wrong is met again, and told, when the job's tree is derived.
  if (!found || found->how != SetupHow::kHit) return;
  setup_hit_ = Submit::SetupHit{found->tree, found->from, std::move(found->why)};
}

Status SubmitCall::prepare_root() {
  TRY(settle_paths());
  TRY(stay_within_rights());
  if (root_is_set_) return check_store_quota();
  if (!request_.snapshot().empty()) {
    if (spec_.dev_container) {
      return Error{Code::kInvalid, "a dev container runs in the live volume, not in a snapshot",
                   fmt::format("devrun volume fork {} NEW", spec_.root.volume)};
    }
    spec_.root.tree =
        TRY(parts_.storage.find_snapshot({spec_.root.volume, request_.snapshot()})).tree;
    timeline_.snapshot_taken = clock_now();
    return check_store_quota();
  }
  if (spec_.dev_container) return ok();
  Result<storage::Snapshot> snapshot = parts_.storage.take_snapshot(spec_.root.volume);
  if (!snapshot) {
    return std::move(snapshot).error().context(fmt::format(
        "nothing was run, since no snapshot of volume '{}' could be taken", spec_.root.volume));
  }
  spec_.root.tree = snapshot->tree;
  timeline_.snapshot_taken = clock_now();
  // After the snapshot, which knows what was deleted.
  return check_store_quota();
}

// Whose the volume is, whoever runs in it. Not of dev containers, in which files are deleted.
Status SubmitCall::check_store_quota() {
  if (spec_.dev_container) return ok();
  const storage::VolumeInfo volume = TRY(parts_.storage.volume(spec_.root.volume));
  return parts_.quotas.check_store(parts_.storage, volume.owner);
}

// The snapshot may have taken its time, and the submitter have been removed meanwhile.
void SubmitCall::submit() {
  if (const Status counts = still_counts(peer_, who_.user); !counts) return fail(counts.error());
  parts_.core.post(
      Submit{request_.request_id(), spec_, timeline_, setup_hit_},
      [self = shared_from_this()](const State& state, Time, const Result<Reply>& result) {
        if (!result) return self->fail(result.error());
        const JobId job = std::get<Submitted>(*result).job;
        // A right that was taken back since it was asked for was looked for without this job.
        if (!self->spec_.dev_container && has_live_folders(self->spec_)) {
          (void)self->parts_.volume_work.run(
              [parts = self->parts_] { end_jobs_without_rights(parts); });
        }
        // A known one may have left the ledger.
        if (const Job* known = find_job(state, job)) return self->answer(*known);
        self->answer(job);
      });
}

void SubmitCall::answer(JobId id) {
  parts_.core.read_jobs(
      {id}, [self = shared_from_this(), id](const State& state, Time, const Status& read) {
        if (!read) return self->fail(read.error());
        const Job* job = find_job(state, id);
        if (job != nullptr) return self->answer(*job);
        self->fail({Code::kNotFound, fmt::format("job {} of this request is no longer known", id),
                    "devrun ps -a"});
      });
}

void SubmitCall::answer(const Job& job) {
  reply_.set_job(job.id);
  reply_.set_tree(std::string(job.spec.root.tree.view()));
  *reply_.mutable_timeline() = wire::to_proto(job.timeline);
  if (!site_.empty() && request_.tell_site() && parts_.site_notes.take(who_.user, site_)) {
    reply_.set_site(site_);
  }
  reactor_.Finish(grpc::Status::OK);
}

}  // namespace devrun::controller
