#include "cli/client/controller.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <thread>

#include "cli/client/call.h"
#include "cli/client/own_tree.h"
#include "cli/client/records_wire.h"
#include "common/base/version.h"
#include "common/wire/job.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

// While the controller restarts; a controller that is down is said to be down after it.
constexpr auto kSubmitPatience = std::chrono::milliseconds(1200);
constexpr auto kTryAgainEvery = std::chrono::milliseconds(500);
constexpr auto kLookAtInterruptsEvery = std::chrono::milliseconds(50);

template <typename Connection, typename Request, typename Reply>
Result<Reply> call(Connection& connection, const Target& target,
                   grpc::Status (pb::Client::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Reply*),
                   const Request& request) {
  return unary_call(connection.calls, *connection.stub, target, method, request, kCallLimit);
}

}  // namespace

Controller::Controller(Target target)
    : target_(std::move(target)), connection_(std::make_unique<Connection>()) {
  connection_->channel = open_channel(target_);
  connection_->stub = pb::Client::NewStub(connection_->channel);
}

Controller::~Controller() = default;

Result<WhoAmI> Controller::hello() {
  pb::ClientHello request;
  request.set_version(std::string(kVersion));
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::Hello, request));
  return WhoAmI{reply.version(), reply.role(), reply.user(), reply.volume(), reply.job()};
}

Result<ForesightRecord> Controller::foresee(const Submission& submission) {
  pb::SubmitRequest request;
  request.set_request_id(submission.request_id);
  *request.mutable_spec() = wire::to_proto(submission.spec);
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::ForeseeJob, request));
  return ForesightRecord{reply.reason(), reply.queue_place(), Time{reply.expected_start_us()},
                         reply.never()};
}

Result<Submitted> Controller::submit(const Submission& submission,
                                     const std::function<void(const Error&)>& waits) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::SubmitRequest request;
  request.set_request_id(submission.request_id);
  *request.mutable_spec() = wire::to_proto(submission.spec);
  request.set_env(submission.env);
  request.set_snapshot(submission.snapshot);
  request.set_tell_site(submission.tell_site);
  if (submission.again) {
    request.mutable_again()->set_job(submission.again->job);
    request.mutable_again()->set_failed(submission.again_failed);
    if (submission.again->task != kNoTask)
      request.mutable_again()->set_task(submission.again->task);
  }
  const auto give_up = std::chrono::steady_clock::now() + kSubmitPatience;
  bool said = false;
  for (;;) {
    grpc::ClientContext context;  // no deadline: a snapshot may have to wait for dirty data
    {
      const std::lock_guard lock(connection_->mutex);
      if (connection_->interrupted)
        return Error{Code::kCancelled, "interrupted before the job was submitted", {}};
      connection_->interruptible = &context;
    }
    pb::SubmitReply reply;
    const grpc::Status status = connection_->stub->Submit(&context, request, &reply);
    std::unique_lock lock(connection_->mutex);
    connection_->interruptible = nullptr;
    if (status.ok()) {
      const auto tree = Digest::from_bytes(reply.tree());
      return Submitted{reply.job(), tree ? *tree : Digest{}, wire::from_proto(reply.timeline()),
                       reply.site()};
    }
    if (connection_->interrupted) {
      return Error{Code::kCancelled, "interrupted while the job was being submitted: it may exist",
                   "devrun ps"};
    }
    lock.unlock();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        give_up - std::chrono::steady_clock::now());
    const bool away = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (!away) return call_error(status, target_);
    if (left.count() > 0 && wait_connected(left)) continue;
    if (!waits) return call_error(status, target_);
    if (!said) waits(call_error(status, target_));
    said = true;
    wait_for_another_try();
  }
}

// Behind a container's socket there is somebody, though not the controller: then the connection says nothing. Elsewhere
// it comes back only while it is waited for.
void Controller::wait_for_another_try() {
  const auto until = std::chrono::steady_clock::now() + kTryAgainEvery;
  while (std::chrono::steady_clock::now() < until) {
    {
      const std::lock_guard lock(connection_->mutex);
      if (connection_->interrupted) return;
    }
    if (wait_connected(kLookAtInterruptsEvery)) std::this_thread::sleep_for(kLookAtInterruptsEvery);
  }
}

bool Controller::wait_connected(std::chrono::milliseconds at_most) {
  return connection_->channel->WaitForConnected(std::chrono::system_clock::now() + at_most);
}

void Controller::interrupt() {
  const std::lock_guard lock(connection_->mutex);
  connection_->interrupted = true;
  if (connection_->interruptible != nullptr) connection_->interruptible->TryCancel();
}

void Controller::cancel_calls() {
  connection_->calls.cancel_all();
}

std::unique_ptr<AttachStream> Controller::attach(const AttachStart& start) {
  return open_attach(*connection_->stub, connection_->calls, target_, start);
}

Result<std::vector<SessionRecord>> Controller::list_sessions(JobId job) {
  pb::ListSessionsRequest request;
  request.set_job(job);
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::ListSessions, request));
  std::vector<SessionRecord> out;
  for (const auto& session : reply.sessions()) {
    out.push_back(
        {session.user(), {session.argv().begin(), session.argv().end()}, Time{session.since_us()}});
  }
  return out;
}

Result<JobList> Controller::list_jobs(const JobQuery& query) {
  pb::ListJobsRequest request;
  request.set_all(query.all);
  request.set_since_us(query.since.us);
  request.set_until_us(query.until.us);
  request.set_user(query.user);
  for (const JobState state : query.states) request.add_states(wire::to_proto(state));
  request.set_name(query.name);
  if (query.exit_status) request.set_exit_status(*query.exit_status);
  request.set_failed(query.failed);
  for (const auto& [key, value] : query.labels) {
    pb::LabelFilter& label = *request.add_labels();
    label.set_key(key);
    if (value) label.set_value(*value);
  }
  for (const std::string& word : query.words) request.add_words(word);
  request.set_before(query.before);
  request.set_limit(query.limit);
  for (const JobId job : query.jobs) request.add_jobs(job);
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::ListJobs, request));
  JobList out;
  out.truncated = reply.truncated();
  out.next_before = reply.next_before();
  for (const auto& job : reply.jobs()) out.jobs.push_back(TRY(from_proto(job)));
  return out;
}

Result<JobRecord> Controller::get_job(JobId job) {
  return get_job(TaskKey{job, kNoTask});
}

Result<JobRecord> Controller::get_job(const TaskKey& task) {
  pb::GetJobRequest request;
  request.set_job(task.job);
  if (task.task != kNoTask) request.set_task(task.task);
  const pb::JobInfo info = TRY(call(*connection_, target_, &pb::Client::Stub::GetJob, request));
  JobRecord out = TRY(from_proto(info));
  out.task = task.task;
  return out;
}

Result<JobState> Controller::cancel(const TaskKey& task, int signal) {
  pb::CancelJobRequest request;
  request.set_job(task.job);
  request.set_task(task.task);
  request.set_signal(signal);
  return wire::from_proto(
      TRY(call(*connection_, target_, &pb::Client::Stub::CancelJob, request)).state());
}

Status Controller::read_log(const LogQuery& query,
                            const std::function<Status(const LogPiece&)>& piece) {
  pb::ReadLogRequest request;
  request.set_job(query.what.job);
  request.set_task(query.what.task);
  request.set_rank(query.what.rank);
  request.set_offset(query.offset);
  request.set_follow(query.follow);
  if (query.begin) *request.mutable_begin() = to_proto(*query.begin);
  request.set_attempt(query.attempt);
  OpenCalls::One one(connection_->calls);
  grpc::ClientContext& context = one.context;
  const auto reader = connection_->stub->ReadLog(&context, request);
  pb::LogChunk chunk;
  Status taken = ok();
  while (taken && reader->Read(&chunk)) {
    if (chunk.has_output()) {
      taken = piece({chunk.attempt(), chunk.output().offset(), chunk.output().data(),
                     chunk.output_missing(), chunk.missing_before()});
    }
  }
  if (!taken) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (!taken) return taken;
  if (!status.ok()) return call_error(status, target_);
  return ok();
}

Result<std::vector<NodeRecord>> Controller::list_nodes() {
  const auto reply =
      TRY(call(*connection_, target_, &pb::Client::Stub::ListNodes, pb::ListNodesRequest{}));
  std::vector<NodeRecord> out;
  for (const auto& node : reply.nodes()) out.push_back(from_proto(node));
  return out;
}

Result<NodeRecord> Controller::show_node(const std::string& name) {
  pb::ListNodesRequest request;
  request.set_node(name);
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::ListNodes, request));
  if (reply.nodes_size() != 1) {
    return Error{Code::kUnsupported, "the controller is of an older version", "devrun up"};
  }
  return from_proto(reply.nodes(0));
}

Result<NodeRecord> Controller::drain_node(const std::string& name, bool drained,
                                          const std::string& reason) {
  pb::DrainNodeRequest request;
  request.set_node(name);
  request.set_drained(drained);
  request.set_reason(reason);
  return from_proto(TRY(call(*connection_, target_, &pb::Client::Stub::DrainNode, request)));
}

Result<std::vector<AttemptKey>> Controller::declare_node_lost(const std::string& name) {
  pb::DeclareNodeLostRequest request;
  request.set_node(name);
  const auto reply = TRY(call(*connection_, target_, &pb::Client::Stub::DeclareNodeLost, request));
  std::vector<AttemptKey> out;
  for (const auto& key : reply.attempts()) out.push_back(TRY(wire::from_proto(key)));
  return out;
}

Result<std::string> new_request_id() {
  uint8_t bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    return errno_error("getrandom", errno);
  }
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string out;
  for (size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", bytes[i]);
  }
  return out;
}

}  // namespace devrun::cli
