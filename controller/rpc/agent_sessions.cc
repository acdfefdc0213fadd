#include "controller/rpc/agent_sessions.h"

#include "common/base/log.h"
#include "common/wire/attempt.h"
#include "controller/rpc/live_rights.h"

namespace devrun::controller {

namespace {

constexpr const char* kNoVolume = ".none";  // the name of no volume begins with a dot

}  // namespace

// ── one call ──

void DesiredStream::send(pb::DesiredState message) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (queue_.size() >= kDesiredQueueMax) {
    closed_ = true;
    Finish({grpc::StatusCode::ABORTED, "the agent reads too slowly: synchronize again"});
    return;
  }
  message.set_generation(++generation_);
  queue_.push_back(std::move(message));
  pump();
}

// Under mutex_. The message being written stays at the front of the queue.
void DesiredStream::pump() {
  if (writing_ || closed_ || queue_.empty()) return;
  writing_ = true;
  StartWrite(&queue_.front());
}

void DesiredStream::OnWriteDone(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  queue_.pop_front();
  if (done) pump();
}

void DesiredStream::close(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  Finish(status);
}

void DesiredStream::OnDone() {
  gone_();
  self_.reset();
}

// ── all calls ──

void AgentSessions::add(pb::DesiredState& message, const State& state, const std::string& node,
                        const AttemptKey& key, DesiredStream& stream) {
  const std::optional<DesiredRank> rank = desired(state, node, key);
  if (!rank) {
    *message.add_released() = wire::to_proto(key);
    stream.named().erase(key);
    return;
  }
  pb::Desired& out = *message.add_desired();
  out = wire::to_proto(rank->attempt);
  out.set_deliver_signal(rank->deliver_signal);
  out.set_deliver_sequence(rank->deliver_sequence);
  if (!stream.named().insert(key).second || !rank->needs_spec) return;
  AttemptSpec spec = attempt_spec(state, key);
  Result<std::string> env = sealer_.unseal(find_job(state, key.job)->spec.program.sealed_env);
  if (!env) {
    // The job was accepted under another key: it runs without its environment rather than never.
    log::error("environment of job {}: {}", key.job, env.error().message);
  } else {
    spec.env = std::move(*env);
  }
  withhold_live_folders(spec, *find_job(state, key.job));
  spec.site_identity = accounts_.site_of(spec.user);
  spec.nobody_on_sites = !accounts_.is_there(spec.user);
  // What all its ranks are told, and nobody else.
  if (spec.ranks > 1) {
    const AttemptKey all{key.job, key.task, 0, key.attempt};
    spec.ssh_seed = std::string(sealer_.keyed_hash("ssh of " + to_string(all)).view());
  }
  *out.mutable_spec() = wire::to_proto(spec);
}

// The right was asked for when the job was submitted, which may be long ago, and nodes know volumes by name. Those that it may
// not have are named as no volume is, so that the attempt cannot begin, whatever comes first: this, or the job's end.
void AgentSessions::withhold_live_folders(AttemptSpec& spec, const Job& job) {
  if (!has_live_folders(job.spec)) return;
  const Status may = check_live_folders(storage_, accounts_, job.spec, job.timeline.submitted);
  if (may) return;
  log::info("job {} of '{}' does not begin: {}", job.id, job.spec.user, may.error().message);
  if (spec.root.live) spec.root.volume = kNoVolume;
  for (PathRule& rule : spec.paths) {
    if (rule.kind == PathKind::kLive) rule.volume = kNoVolume;
  }
  end_(spec.key.job, may.error().message);
}

void AgentSessions::open(const State& state, const std::string& node,
                         std::shared_ptr<DesiredStream> stream,
                         const std::set<AttemptKey>& observed) {
  std::shared_ptr<DesiredStream>& kept = streams_[node];
  if (kept) kept->close({grpc::StatusCode::ABORTED, "a newer call of this node has come"});
  kept = std::move(stream);
  kept->named() = observed;
  pb::DesiredState whole;
  whole.set_whole(true);
  for (const AttemptKey& key : desired_on(state, node)) add(whole, state, node, key, *kept);
  whole.clear_released();  // what is not named is released
  kept->send(std::move(whole));
}

void AgentSessions::forget(const std::string& node, const DesiredStream* stream) {
  const auto it = streams_.find(node);
  if (it != streams_.end() && it->second.get() == stream) streams_.erase(it);
}

std::shared_ptr<DesiredStream> AgentSessions::call_of(const std::string& node) const {
  const auto it = streams_.find(node);
  return it == streams_.end() ? nullptr : it->second;
}

void AgentSessions::send(const State& state, const std::string& node,
                         const std::set<AttemptKey>& changed,
                         const std::set<AttemptKey>& released) {
  const auto it = streams_.find(node);
  if (it == streams_.end()) return;
  pb::DesiredState message;
  for (const AttemptKey& key : changed) add(message, state, node, key, *it->second);
  for (const AttemptKey& key : released) {
    if (changed.count(key) != 0) continue;
    *message.add_released() = wire::to_proto(key);
    it->second->named().erase(key);
  }
  it->second->send(std::move(message));
}

bool AgentSessions::ask_home(const std::string& node, const AttemptKey& key) const {
  const std::shared_ptr<DesiredStream> call = call_of(node);
  if (!call) return false;
  pb::DesiredState message;
  *message.add_bring_home() = wire::to_proto(key);
  call->send(std::move(message));
  return true;
}

// ── effects ──

void RpcEdge::perform(const State& state, std::span<const Effect> effects, Time now) {
  struct News {
    std::set<AttemptKey> changed;
    std::set<AttemptKey> released;
  };
  std::map<std::string, News> by_node;
  std::set<TaskKey> tasks;
  for (const Effect& effect : effects) {
    if (const auto* send = std::get_if<SendDesired>(&effect)) {
      by_node[send->node].changed.insert(send->key);
    } else if (const auto* release = std::get_if<Release>(&effect)) {
      by_node[release->node].released.insert(release->key);
    } else if (const auto* changed = std::get_if<TaskChanged>(&effect)) {
      tasks.insert(changed->task);
    }
  }
  for (const auto& [node, news] : by_node) agents_.send(state, node, news.changed, news.released);
  std::set<JobId> jobs;
  for (const TaskKey& task : tasks) {
    jobs.insert(task.job);
    if (const auto view = view_task(state, task, now)) hub_.publish(task, *view);
  }
  watches_.jobs_changed(state, now, jobs);
  for (const Effect& effect : effects) {
    const auto* expect = std::get_if<ExpectOutput>(&effect);
    if (expect != nullptr) hub_.expect_output(expect->key, static_cast<uint64_t>(expect->bytes));
    if (const auto* forget = std::get_if<ForgetOutput>(&effect)) hub_.forget_output(forget->key);
    if (const auto* derive = std::get_if<DeriveRoot>(&effect)) derive_(*derive);
  }
}

// By ten seconds, and from the first minute on by minutes.
std::optional<GpusIdle> IdleNews::look(const SampleBook& samples, Time now) {
  GpusIdle news;
  std::map<AttemptKey, Duration> seen;
  for (const AttemptSample& one : samples.idle_gpus(now)) {
    const uint32_t grain = one.gpu_idle_s < 60 ? 10 : 60;
    const Duration idle = seconds(one.gpu_idle_s / grain * grain);
    news.attempts[one.key] = {idle, one.gpus, one.gpu_memory_bytes};
    seen[one.key] = idle;
  }
  if (seen == told_) return std::nullopt;
  told_ = std::move(seen);
  return news;
}

// What changes with time alone: reasons to wait, silence of nodes.
void RpcEdge::ticked(const State& state, Time now) {
  samples_.fold(now);
  if (std::optional<GpusIdle> idle = idle_news_.look(samples_, now)) idle_(std::move(*idle));
  watches_.ticked(state, now);
  for (const JobId job : attendance_.abandoned(state, now)) cancel_(job);
  for (const TaskKey& task : hub_.watched()) {
    if (const auto view = view_task(state, task, now)) hub_.publish(task, *view);
  }
}

}  // namespace devrun::controller
