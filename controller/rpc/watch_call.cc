#include "controller/rpc/watch_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/wire/sample.h"

namespace devrun::controller {

void WatchCall::begin(const WatchTable& table, Who who) {
  who_ = std::move(who);
  place_ = table.place_of(request_.epoch(), request_.sequence());
}

bool WatchCall::may_write() {
  const std::lock_guard lock(mutex_);
  missed_ = writing_;
  return !writing_ && !finished_;
}

bool WatchCall::add_loads(const WatchTable& table, const SampleBook& samples,
                          pb::WatchUpdate& update) {
  if (!request_.loads()) return false;
  for (NodeSample& sample : samples.newer_than(samples_seen_)) {
    std::erase_if(sample.attempts, [&](const AttemptSample& attempt) {
      return !table.may_see(who_, request_.all(), attempt.key.job);
    });
    *update.add_loads() = wire::to_proto(sample);
  }
  return update.loads_size() != 0;
}

void WatchCall::pump(const WatchTable& table, const SampleBook& samples, Time now) {
  if (!may_write()) return;
  pb::WatchUpdate update;
  const bool rows = table.fill(who_, request_.all(), place_, update);
  const bool loads = add_loads(table, samples, update);
  if (!rows && !loads) return;
  update.set_now_us(now.us);
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  update_ = std::move(update);
  writing_ = true;
  missed_ = place_.behind;
  StartWrite(&update_);
}

void WatchCall::OnWriteDone(bool done) {
  bool missed = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    missed = missed_ && done && !finished_;
  }
  if (missed) ready_();
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

Status Watches::add(const State& state, Time now, std::shared_ptr<WatchCall> call, Who who) {
  const auto calls = alive();
  const auto own =
      std::ranges::count_if(calls, [&](const auto& other) { return other->user() == who.user; });
  if (static_cast<size_t>(own) >= kWatchCallsOfUserMax) {
    return Error{Code::kExhausted,
                 fmt::format("{} programs of '{}' watch the cluster already", own, who.user),
                 "close some of them (devrun top, devrun ps --watch)"};
  }
  if (calls.size() >= kWatchCallsMax) {
    return Error{Code::kExhausted, "too many programs watch the cluster", "again in a while"};
  }
  table_.tick(state, now, true);  // nodes that came while nobody watched
  while (!table_.refresh(state, now)) {
  }
  call->begin(table_, std::move(who));
  call->pump(table_, samples_, now);
  calls_.push_back(std::move(call));
  return ok();
}

void Watches::jobs_changed(const State& state, Time now, const std::set<JobId>& jobs) {
  for (const JobId job : jobs) table_.job_changed(job);
  pump(state, now);
}

void Watches::pump(const State& state, Time now) {
  const auto calls = alive();
  if (calls.empty()) return;
  table_.refresh(state, now);
  for (const auto& call : calls) call->pump(table_, samples_, now);
}

void Watches::ticked(const State& state, Time now) {
  const auto calls = alive();
  table_.tick(state, now, !calls.empty());
  for (const auto& call : calls) call->pump(table_, samples_, now);
}

}  // namespace devrun::controller
