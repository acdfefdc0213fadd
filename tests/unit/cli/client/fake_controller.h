// A controller in this process, behind a unix socket: one job that the test scripts, with real gRPC in between. It has
// state (what was sent to it, what it will send), and can lose the connection after any number of output bytes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/client/target.h"
#include "common/runtime/pki.h"
#include "common/wire/error.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::cli {

namespace pb = devrun::v1;

// One record of an output log.
inline std::string log_record(uint8_t stream, std::string_view text) {
  std::string out(16, '\0');
  out[0] = static_cast<char>(stream);
  const auto length = static_cast<uint32_t>(text.size());
  std::memcpy(out.data() + 4, &length, sizeof length);
  return out + std::string(text);
}

class FakeController final : public pb::Client::Service {
 public:
  struct Job {
    pb::JobState state = pb::RUNNING;
    std::string reason;
    std::string log;
    std::optional<pb::AttachEnd> end;
    // Stdin as the program has it, and how much more it takes.
    std::string stdin_bytes;
    bool stdin_eof = false;
    uint64_t takes_at_most = UINT64_MAX;
    bool closes_stdin = false;
    std::vector<int> signals;
    std::vector<pb::TerminalSize> sizes;
    bool cancelled = false;
    bool has_another_writer = false;
    uint64_t output_read = 0;
    // Faults: a call ends with UNAVAILABLE once it has sent so much of the log.
    std::vector<uint64_t> break_after;
    size_t chunk_bytes = 1000;
    int attaches = 0;
    int attached_now = 0;
    std::vector<uint64_t> attached_from;
  };

  enum class Over { kUnixSocket, kTls };

  explicit FakeController(Over over = Over::kUnixSocket) : over_(over) {
    char folder[] = "/tmp/devrun-cli-test-XXXXXX";
    folder_ = ::mkdtemp(folder);
    serve();
  }
  ~FakeController() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  std::string socket() const { return folder_ + "/socket"; }
  Target target() const {
    Target out;
    if (over_ == Over::kTls) {
      out.address = "ipv4:127.0.0.1:" + std::to_string(port_);
      out.shown = out.address;
      out.ca = authority_.certificate;
      out.certificate = client_.certificate;
      out.key = client_.key;
      return out;
    }
    out.address = "unix:" + socket();
    out.shown = socket();
    out.through_socket = true;
    return out;
  }

  void serve() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = false;
    }
    grpc::ServerBuilder builder;
    if (over_ == Over::kTls) {
      if (authority_.key.empty()) make_identities();
      grpc::SslServerCredentialsOptions tls(
          GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
      tls.pem_root_certs = authority_.certificate;
      tls.pem_key_cert_pairs.push_back({server_identity_.key, server_identity_.certificate});
      builder.AddListeningPort("127.0.0.1:" + std::to_string(port_),
                               grpc::SslServerCredentials(tls), &port_);
    } else {
      builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
    }
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  void stop() {
    change([&](Job&) { stopping_ = true; });
    if (server_)
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
    server_.reset();
  }

  int port() const { return port_; }

  void change(const std::function<void(Job&)>& what) {
    const std::lock_guard lock(mutex_);
    what(job_);
    changed_.notify_all();
  }
  // Waits until it holds; false after ten seconds.
  bool wait_until(const std::function<bool(const Job&)>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return holds(job_); });
  }
  Job job() {
    const std::lock_guard lock(mutex_);
    return job_;
  }
  void end_with(pb::JobState state, pb::EndCause cause, int status) {
    change([&](Job& job) {
      job.end.emplace();
      job.end->set_state(state);
      job.end->mutable_ending()->set_cause(cause);
      job.end->mutable_ending()->set_status(status);
    });
  }

  std::vector<pb::SubmitRequest> submitted;  // the newest last
  std::optional<Error> refuse_submit;
  pb::JobInfo info;  // what GetJob says
  pb::ListJobsReply list;
  pb::ListVolumesReply volumes;
  pb::ListNodesReply nodes;
  std::vector<pb::CreateVolumeRequest> created;
  std::vector<std::string> removed;
  std::vector<pb::CancelJobRequest> cancels;
  std::vector<pb::AttachStart> execs;
  pb::ListSessionsReply sessions;
  std::string role = "admin";

 private:
  static grpc::Status failed(const Error& error) {
    return {grpc::StatusCode::FAILED_PRECONDITION, error.message, wire::error_details(error)};
  }

  grpc::Status Hello(grpc::ServerContext*, const pb::ClientHello*,
                     pb::ControllerHello* reply) override {
    reply->set_version("0.1.0");
    reply->set_role(role);
    reply->set_user("ada");
    return grpc::Status::OK;
  }
  grpc::Status Submit(grpc::ServerContext*, const pb::SubmitRequest* request,
                      pb::SubmitReply* reply) override {
    const std::lock_guard lock(mutex_);
    submitted.push_back(*request);
    if (refuse_submit) return failed(*refuse_submit);
    reply->set_job(42);
    reply->set_tree(std::string(32, 'a'));
    return grpc::Status::OK;
  }
  grpc::Status GetJob(grpc::ServerContext*, const pb::GetJobRequest* request,
                      pb::JobInfo* reply) override {
    const std::lock_guard lock(mutex_);
    if (request->job() != info.job()) {
      return failed(
          {Code::kNotFound, "there is no job " + std::to_string(request->job()), "devrun ps -a"});
    }
    *reply = info;
    return grpc::Status::OK;
  }
  grpc::Status ListJobs(grpc::ServerContext*, const pb::ListJobsRequest*,
                        pb::ListJobsReply* reply) override {
    *reply = list;
    return grpc::Status::OK;
  }
  grpc::Status ListVolumes(grpc::ServerContext*, const pb::ListVolumesRequest*,
                           pb::ListVolumesReply* reply) override {
    *reply = volumes;
    return grpc::Status::OK;
  }
  grpc::Status ListNodes(grpc::ServerContext*, const pb::ListNodesRequest*,
                         pb::ListNodesReply* reply) override {
    *reply = nodes;
    return grpc::Status::OK;
  }
  grpc::Status CreateVolume(grpc::ServerContext*, const pb::CreateVolumeRequest* request,
                            grpc::ServerWriter<pb::Progress>* writer) override {
    created.push_back(*request);
    pb::Progress progress;
    progress.set_line("I: Retrieving packages");
    writer->Write(progress);
    return grpc::Status::OK;
  }
  grpc::Status RemoveVolume(grpc::ServerContext*, const pb::RemoveVolumeRequest* request,
                            pb::RemoveVolumeReply* reply) override {
    removed.push_back(request->name());
    reply->set_kept_until_us(1'767'225'600'000'000);
    return grpc::Status::OK;
  }
  grpc::Status CancelJob(grpc::ServerContext*, const pb::CancelJobRequest* request,
                         pb::CancelJobReply* reply) override {
    change([&](Job& job) {
      cancels.push_back(*request);
      if (request->signal() == 0) job.cancelled = true;
    });
    reply->set_state(pb::RUNNING);
    return grpc::Status::OK;
  }
  grpc::Status ReadLog(grpc::ServerContext* context, const pb::ReadLogRequest* request,
                       grpc::ServerWriter<pb::LogChunk>* writer) override {
    std::unique_lock lock(mutex_);
    uint64_t sent = request->offset();
    for (;;) {
      while (sent < job_.log.size()) {
        pb::LogChunk chunk;
        chunk.mutable_output()->set_offset(sent);
        chunk.mutable_output()->set_data(job_.log.substr(sent, job_.chunk_bytes));
        sent += chunk.output().data().size();
        if (!writer->Write(chunk)) return grpc::Status::CANCELLED;
      }
      if (!request->follow() || job_.end || stopping_ || context->IsCancelled())
        return grpc::Status::OK;
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }

  // One side of an Attach call; the other is the reader thread below.
  struct Call {
    bool over = false;
    bool begun = false;
    pb::AttachStart start;
  };

  void take(const pb::AttachRequest& request, Call& call) {
    const std::lock_guard lock(mutex_);
    if (request.has_start()) {
      call.start = request.start();
      call.begun = true;
      if (call.start.has_session()) execs.push_back(call.start);
      ++job_.attaches;
      job_.attached_from.push_back(call.start.output_from());
    }
    if (request.has_stdin()) take_stdin(request.stdin());
    if (request.has_resize()) job_.sizes.push_back(request.resize());
    if (request.kind_case() == pb::AttachRequest::kSignal) job_.signals.push_back(request.signal());
    if (request.kind_case() == pb::AttachRequest::kOutputRead)
      job_.output_read = request.output_read();
    changed_.notify_all();
  }
  void take_stdin(const pb::StdinChunk& chunk) {
    const uint64_t have = job_.stdin_bytes.size();
    if (chunk.offset() > have) return;  // a gap: the test sees that bytes are missing
    const uint64_t known = std::min<uint64_t>(have - chunk.offset(), chunk.data().size());
    job_.stdin_bytes += chunk.data().substr(known);
    if (chunk.eof()) job_.stdin_eof = true;
  }

  grpc::Status Attach(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>* stream) override {
    Call call;
    pb::AttachRequest first;
    if (stream->Read(&first)) take(first, call);
    if (call.start.write_stdin() && job().has_another_writer)
      return failed({Code::kConflict, "another devrun writes to job 42 already", {}});
    std::thread reader([&] {
      pb::AttachRequest request;
      while (stream->Read(&request)) take(request, call);
      change([&](Job&) { call.over = true; });
    });
    const grpc::Status status = send(*stream, *context, call);
    if (!status.ok()) context->TryCancel();
    // A sync server must not return while another thread reads: the client's end, or ours, ends it.
    reader.join();
    return status;
  }

  grpc::Status Exec(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>* stream) override {
    return Attach(context, stream);
  }
  grpc::Status ListSessions(grpc::ServerContext*, const pb::ListSessionsRequest*,
                            pb::ListSessionsReply* reply) override {
    *reply = sessions;
    return grpc::Status::OK;
  }

  grpc::Status send(grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>& stream,
                    grpc::ServerContext& context, Call& call) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return call.begun || call.over; });
    ++job_.attached_now;
    changed_.notify_all();
    const grpc::Status status = send_locked(stream, context, call, lock);
    --job_.attached_now;
    changed_.notify_all();
    return status;
  }
  grpc::Status send_locked(grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>& stream,
                           grpc::ServerContext& context, Call& call,
                           std::unique_lock<std::mutex>& lock) {
    uint64_t sent = call.start.output_from();
    std::string told;
    uint64_t told_taken = UINT64_MAX;
    bool told_closed = false;
    while (!call.over && !stopping_ && !context.IsCancelled()) {
      pb::AttachReply reply;
      const std::string state = std::to_string(job_.state) + job_.reason;
      const uint64_t taken = std::min<uint64_t>(job_.stdin_bytes.size(), job_.takes_at_most);
      if (told != state) {
        told = state;
        reply.mutable_state()->set_state(job_.state);
        reply.mutable_state()->set_reason(job_.reason);
        stream.Write(reply);
      } else if (taken != told_taken) {
        told_taken = taken;
        reply.set_stdin_taken(taken);
        stream.Write(reply);
      } else if (job_.closes_stdin && !told_closed) {
        told_closed = true;
        reply.set_stdin_closed(true);
        stream.Write(reply);
      } else if (!job_.break_after.empty() && sent >= job_.break_after.front()) {
        job_.break_after.erase(job_.break_after.begin());
        return {grpc::StatusCode::UNAVAILABLE, "broken by the test"};
      } else if (sent < job_.log.size()) {
        uint64_t until = std::min<uint64_t>(job_.log.size(), sent + job_.chunk_bytes);
        if (!job_.break_after.empty())
          until = std::min(until, std::max(job_.break_after.front(), sent));
        reply.mutable_output()->set_offset(sent);
        reply.mutable_output()->set_data(job_.log.substr(sent, until - sent));
        sent = until;
        lock.unlock();
        stream.Write(reply);
        lock.lock();
      } else if (job_.end) {
        *reply.mutable_end() = *job_.end;
        stream.Write(reply);
        return grpc::Status::OK;
      } else {
        changed_.wait_for(lock, std::chrono::milliseconds(20));
      }
    }
    return {grpc::StatusCode::CANCELLED, "over"};
  }

  void make_identities() {
    authority_ = *make_authority("test", 1);
    server_identity_ =
        *issue_certificate(authority_, {Role::kController, "test"}, {"127.0.0.1"}, 1);
    client_ = *issue_certificate(authority_, {Role::kAdmin, "root"}, {}, 1);
  }

  Over over_;
  int port_ = 0;
  Pem authority_;
  Pem server_identity_;
  Pem client_;
  std::string folder_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Job job_;
  bool stopping_ = false;
};

}  // namespace devrun::cli
