#include "tests/unit/agent/sync/test_controller.h"

#include <gtest/gtest.h>

#include "common/wire/attempt.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::agent {

namespace pb = devrun::v1;

TestController::TestController(int port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(this);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

TestController::~TestController() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

pb::DesiredState TestController::whole() const {
  pb::DesiredState message;
  message.set_whole(true);
  for (const auto& [key, spec] : specs_) {
    pb::Desired& desired = *message.add_desired();
    DesiredAttempt attempt;
    attempt.key = key;
    if (const auto it = stopped_.find(key); it != stopped_.end()) {
      attempt.goal = Goal::kStop;
      attempt.stop_cause = it->second;
    }
    desired = wire::to_proto(attempt);
    *desired.mutable_spec() = wire::to_proto(spec);
  }
  return message;
}

void TestController::push(pb::DesiredState message) {
  message.set_whole(false);
  news_.push_back(std::move(message));
  changed_.notify_all();
}

void TestController::desire(const AttemptSpec& spec) {
  const std::lock_guard lock(mutex_);
  specs_[spec.key] = spec;
  push(whole());
}

void TestController::stop(const AttemptKey& key, EndCause cause) {
  const std::lock_guard lock(mutex_);
  stopped_[key] = cause;
  push(whole());
}

void TestController::release(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  specs_.erase(key);
  pb::DesiredState message;
  *message.add_released() = wire::to_proto(key);
  push(std::move(message));
}

void TestController::send(const AttemptKey& key, const pb::StreamsDown& down) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kTestPatience, [&] { return streams_.contains(key); }));
  streams_.at(key)->Write(down);
}

void TestController::refuse_reports(int times) {
  const std::lock_guard lock(mutex_);
  refuse_reports_ = times;
}

void TestController::remember(const TestController& other) {
  const std::scoped_lock lock(mutex_, other.mutex_);
  specs_ = other.specs_;
  stopped_ = other.stopped_;
  logs_ = other.logs_;
  for (auto& [key, log] : logs_) log.ended = false;
}

std::vector<pb::SynchronizeRequest> TestController::hellos() {
  const std::lock_guard lock(mutex_);
  return hellos_;
}

std::map<AttemptKey, ObservedAttempt> TestController::reported() {
  const std::lock_guard lock(mutex_);
  return reported_;
}

std::string TestController::trouble() {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

TestController::Log TestController::log(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  return logs_[key];
}

bool TestController::wait_ended(const AttemptKey& key) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kTestPatience, [&] {
    return reported_[key].phase == Phase::kEnded && logs_[key].ended;
  });
}

// As the real one: a hello may be older than a report that overtook it.
void TestController::take(const ObservedAttempt& observed) {
  const auto known = reported_.find(observed.key);
  if (known != reported_.end() && known->second.phase > observed.phase) return;
  reported_[observed.key] = observed;
}

grpc::Status TestController::Synchronize(grpc::ServerContext* context,
                                         const pb::SynchronizeRequest* request,
                                         grpc::ServerWriter<pb::DesiredState>* writer) {
  std::unique_lock lock(mutex_);
  const uint64_t session = ++session_;
  hellos_.push_back(*request);
  for (const pb::ObservedAttempt& one : request->observed()) {
    take(*wire::from_proto(one));
  }
  news_.clear();
  uint64_t generation = 0;
  pb::DesiredState message = whole();
  while (true) {
    message.set_generation(++generation);
    if (!writer->Write(message)) return grpc::Status::OK;
    while (news_.empty()) {
      if (closing_ || session != session_ || context->IsCancelled())
        return {grpc::StatusCode::ABORTED, "over"};
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    message = news_.front();
    news_.pop_front();
  }
}

void TestController::refuse_reports_about(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  refuse_about_ = key;
}

grpc::Status TestController::Report(grpc::ServerContext*, const pb::ReportRequest* request,
                                    pb::ReportReply*) {
  const std::lock_guard lock(mutex_);
  if (refuse_reports_ > 0) {
    --refuse_reports_;
    return {grpc::StatusCode::UNAVAILABLE, "not now"};
  }
  for (const pb::ObservedAttempt& one : request->observed()) {
    if (refuse_about_ && *wire::from_proto(one.key()) == *refuse_about_) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "it cannot be read"};
    }
  }
  for (const pb::ObservedAttempt& one : request->observed()) {
    take(*wire::from_proto(one));
  }
  if (request->has_condition()) trouble_ = request->condition().trouble();
  changed_.notify_all();
  return grpc::Status::OK;
}

grpc::Status TestController::Streams(
    grpc::ServerContext*, grpc::ServerReaderWriter<pb::StreamsDown, pb::StreamsUp>* stream) {
  pb::StreamsUp up;
  if (!stream->Read(&up) || !up.has_start())
    return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
  const AttemptKey key = *wire::from_proto(up.start());
  pb::StreamsDown down;
  {
    const std::lock_guard lock(mutex_);
    ++logs_[key].opened;
    down.set_output_from(logs_[key].bytes.size());
    stream->Write(down);
    streams_[key] = stream;
    changed_.notify_all();
  }
  while (stream->Read(&up)) {
    const std::lock_guard lock(mutex_);
    Log& log = logs_[key];
    if (up.has_output()) {
      EXPECT_EQ(up.output().offset(), log.bytes.size());
      EXPECT_LE(up.output().data().size(), size_t{256} << 10);
      log.bytes += up.output().data();
      down.set_output_taken(log.bytes.size());
      stream->Write(down);
    } else if (up.kind_case() == pb::StreamsUp::kStdinTaken) {
      log.stdin_taken = up.stdin_taken();
    } else if (up.kind_case() == pb::StreamsUp::kStdinClosed) {
      log.stdin_closed = true;
    } else if (up.kind_case() == pb::StreamsUp::kOutputEnd) {
      EXPECT_EQ(up.output_end(), log.bytes.size());
      log.ended = true;
    }
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  if (streams_[key] == stream) streams_.erase(key);
  return grpc::Status::OK;
}

}  // namespace devrun::agent
