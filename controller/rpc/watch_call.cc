#include "controller/rpc/watch_call.h"

#include <functional>

#include "controller/rpc/job_info.h"

namespace devrun::controller {

namespace {

size_t fingerprint(const google::protobuf::Message& row) {
  return std::hash<std::string>{}(row.SerializeAsString());
}

}  // namespace

void WatchCall::add_job(pb::WatchUpdate& update, const State& state, const Job& job, Time now) {
  if (!who_.may_see(job) || (job.spec.user != who_.user && !all_)) return;
  pb::JobInfo row = job_info(state, job, now, Detail::kLiveRow);
  size_t& sent = jobs_sent_[job.id];
  const size_t print = fingerprint(row);
  if (sent == print) return;
  sent = print;
  *update.add_jobs() = std::move(row);
}

void WatchCall::add_nodes(pb::WatchUpdate& update, const State& state, Time now) {
  for (const auto& [name, node] : state.nodes) {
    pb::NodeInfo row = node_info(state, node, now);
    const int64_t heard = row.last_heard_us();
    if (row.connected()) row.clear_last_heard_us();  // now, always
    size_t& sent = nodes_sent_[name];
    const size_t print = fingerprint(row);
    if (sent == print) continue;
    sent = print;
    row.set_last_heard_us(heard);
    *update.add_nodes() = std::move(row);
  }
}

void WatchCall::begin(const State& state, Time now, Who who) {
  who_ = std::move(who);
  pb::WatchUpdate whole;
  whole.set_whole(true);
  for (const Job* job : listed_jobs(state, who_, {all_, {}, kListedMax}, now).jobs) {
    add_job(whole, state, *job, now);
  }
  add_nodes(whole, state, now);
  send(std::move(whole), now);
}

void WatchCall::jobs_changed(const State& state, Time now, const std::set<JobId>& jobs) {
  pb::WatchUpdate update;
  for (const JobId id : jobs) {
    if (const auto job = state.jobs.find(id); job != state.jobs.end()) {
      add_job(update, state, job->second, now);
    }
  }
  add_nodes(update, state, now);
  if (update.jobs_size() != 0 || update.nodes_size() != 0) send(std::move(update), now);
}

// Reasons to wait and silence of nodes change with time alone.
void WatchCall::ticked(const State& state, Time now) {
  std::set<JobId> live;
  std::erase_if(jobs_sent_, [&](const auto& sent) { return state.jobs.count(sent.first) == 0; });
  for (const auto& [id, print] : jobs_sent_) {
    if (!state.jobs.at(id).outcome) live.insert(id);
  }
  jobs_changed(state, now, live);
}

void WatchCall::send(pb::WatchUpdate update, Time now) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  if (queue_.size() >= kWatchUpdatesMax) {
    finished_ = true;
    Finish({grpc::StatusCode::ABORTED, "too slow for the changes: watch again"});
    return;
  }
  update.set_sequence(++sequence_);
  update.set_now_us(now.us);
  queue_.push_back(std::move(update));
  pump();
}

// The update being written stays at the front.
void WatchCall::pump() {
  if (writing_ || finished_ || queue_.empty()) return;
  writing_ = true;
  StartWrite(&queue_.front());
}

void WatchCall::OnWriteDone(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  queue_.pop_front();
  if (done) pump();
}

void WatchCall::close(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

std::vector<std::shared_ptr<WatchCall>> Watches::alive() {
  std::vector<std::shared_ptr<WatchCall>> out;
  std::erase_if(calls_, [&](const std::weak_ptr<WatchCall>& call) {
    auto locked = call.lock();
    if (locked) out.push_back(locked);
    return !locked;
  });
  return out;
}

Status Watches::add(std::shared_ptr<WatchCall> call) {
  if (alive().size() >= kWatchCallsMax) {
    return Error{Code::kExhausted, "too many programs watch the cluster", "close some of them"};
  }
  calls_.push_back(std::move(call));
  return ok();
}

void Watches::jobs_changed(const State& state, Time now, const std::set<JobId>& jobs) {
  if (calls_.empty()) return;
  for (const auto& call : alive()) call->jobs_changed(state, now, jobs);
}

void Watches::ticked(const State& state, Time now) {
  for (const auto& call : alive()) call->ticked(state, now);
}

}  // namespace devrun::controller
