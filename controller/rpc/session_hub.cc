#include "controller/rpc/session_hub.h"

#include <fmt/format.h>

#include <random>

#include "common/wire/error.h"
#include "controller/rpc/session_call.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

namespace {

// The agent's call. It begins with the number of the caller's.
class AgentCall final : public AgentReactor {
 public:
  AgentCall(SessionHub& hub, std::string node) : hub_(hub), node_(std::move(node)) {
    StartRead(&first_);
  }
  void keep(HeldCalls::Hold hold) { hold_ = std::move(hold); }

 private:
  void OnReadDone(bool done) override {
    if (relay_) return relay_->agent_read(done);
    if (!done || first_.kind_case() != pb::SessionUp::kCall) {
      Finish(to_status(Error{Code::kInvalid, "Session must begin with `call`", {}}));
      return;
    }
    relay_ = hub_.find(first_.call());
    const Status joined = relay_ ? relay_->join(*this, node_)
                                 : Status(Error{Code::kNotFound, "the caller has gone", {}});
    if (joined) return;
    relay_.reset();
    Finish(to_status(joined.error()));
  }
  void OnWriteDone(bool done) override {
    if (relay_) relay_->agent_wrote(done);
  }
  void OnDone() override {
    hold_.reset();
    if (relay_) relay_->agent_done();
    delete this;
  }

  SessionHub& hub_;
  const std::string node_;
  HeldCalls::Hold hold_;
  pb::SessionUp first_;
  std::shared_ptr<SessionRelay> relay_;
};

}  // namespace

// ── all of them ──

// Half of all numbers are left to count on.
SessionHub::SessionHub() {
  std::random_device random;
  newest_ = (uint64_t{random() >> 1} << 32) | random();
}

uint64_t SessionHub::add(const std::shared_ptr<SessionRelay>& relay) {
  const std::lock_guard lock(mutex_);
  std::erase_if(relays_, [](const auto& entry) { return entry.second.expired(); });
  relays_[++newest_] = relay;
  return newest_;
}

std::shared_ptr<SessionRelay> SessionHub::find(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto it = relays_.find(number);
  return it == relays_.end() ? nullptr : it->second.lock();
}

AgentReactor* SessionHub::agent_call(const std::string& node) {
  return new AgentCall(*this, node);
}

void keep_held(AgentReactor& call, HeldCalls::Hold hold) {
  static_cast<AgentCall&>(call).keep(std::move(hold));
}

void SessionHub::list(JobId job, pb::ListSessionsReply& reply) {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, weak] : relays_) {
    const auto relay = weak.lock();
    if (!relay || !relay->is_joined()) continue;
    SessionRelay::About about = relay->about();
    if (about.job == job) *reply.add_sessions() = std::move(about.info);
  }
}

// ── one ──

void SessionRelay::describe(About about) {
  const std::lock_guard lock(mutex_);
  about_ = std::move(about);
}

SessionRelay::About SessionRelay::about() {
  const std::lock_guard lock(mutex_);
  return about_;
}

bool SessionRelay::is_joined() {
  const std::lock_guard lock(mutex_);
  return agent_ != nullptr && caller_ != nullptr && !closed_;
}

void SessionRelay::close(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  close_locked(status);
}

void SessionRelay::close_locked(const grpc::Status& status) {
  if (closed_) return;
  closed_ = true;
  if (caller_ != nullptr) caller_->Finish(status);
  if (agent_ != nullptr) agent_->Finish(status);
}

void SessionRelay::say(const pb::AttachState& state) {
  const std::lock_guard lock(mutex_);
  if (was_joined_) return;
  state_ = state;
  write_to_caller();
}

void SessionRelay::write_to_caller() {
  if (closed_ || writing_ || caller_ == nullptr) return;
  if (state_) {
    reply_.Clear();
    *reply_.mutable_state() = std::move(*state_);
    state_.reset();
  } else if (up_waits_) {
    up_waits_ = false;
    reply_.Swap(up_.mutable_reply());
    ending_ = reply_.has_end();
    if (!ending_ && agent_ != nullptr) agent_->StartRead(&up_);
  } else {
    return;
  }
  writing_ = true;
  caller_->StartWrite(&reply_);
}

// From the core's thread: the caller may have gone meanwhile, and with it gRPC's side of its call.
void SessionRelay::begin() {
  const std::lock_guard lock(mutex_);
  if (!closed_ && caller_ != nullptr) caller_->StartRead(&request_);
}

void SessionRelay::caller_read(bool done) {
  const std::lock_guard lock(mutex_);
  if (closed_ || !done) return;  // it has nothing more to say, and may still listen
  if (agent_ != nullptr) {
    agent_->StartWrite(&request_);
  } else {
    request_waits_ = true;
  }
}

void SessionRelay::caller_wrote(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (!done) return close_locked({grpc::StatusCode::CANCELLED, "the caller has gone"});
  if (ending_) return close_locked(grpc::Status::OK);
  write_to_caller();
}

void SessionRelay::caller_done() {
  const std::lock_guard lock(mutex_);
  caller_ = nullptr;
  close_locked({grpc::StatusCode::CANCELLED, "the caller has gone"});
}

Status SessionRelay::join(AgentReactor& agent, const std::string& node) {
  const std::lock_guard lock(mutex_);
  if (closed_ || was_joined_ || about_.node != node) {
    return Error{Code::kNotFound, "the caller has gone", {}};
  }
  agent_ = &agent;
  was_joined_ = true;
  agent_->StartRead(&up_);
  if (request_waits_) agent_->StartWrite(&request_);
  request_waits_ = false;
  return ok();
}

void SessionRelay::agent_read(bool done) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (!done) {
    // After the ending there is nothing more to read.
    if (ending_ || up_waits_) return;
    return close_locked(
        to_status(Error{Code::kUnavailable, "the agent of node " + about_.node + " has gone", {}}));
  }
  if (up_.kind_case() == pb::SessionUp::kRefused) {
    return close_locked(to_status(wire::from_proto(up_.refused())));
  }
  if (up_.kind_case() != pb::SessionUp::kReply) {
    return close_locked(to_status(Error{Code::kInternal, "the agent says what it may not", {}}));
  }
  up_waits_ = true;
  write_to_caller();
}

void SessionRelay::agent_wrote(bool done) {
  const std::lock_guard lock(mutex_);
  if (closed_ || !done || caller_ == nullptr) return;
  caller_->StartRead(&request_);
}

void SessionRelay::agent_done() {
  const std::lock_guard lock(mutex_);
  agent_ = nullptr;
  if (!ending_ && !up_waits_) {
    close_locked(
        to_status(Error{Code::kUnavailable, "the agent of node " + about_.node + " has gone", {}}));
  }
}

}  // namespace devrun::controller
