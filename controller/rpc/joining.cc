#include "controller/rpc/joining.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <chrono>

#include "common/base/log.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/services.h"
#include "controller/rpc/status.h"
#include "controller/rpc/worker_pool.h"
#include "devrun/v1/enrolment.grpc.pb.h"

namespace devrun::controller {

namespace {

constexpr int kMessageBytesMax = 64 << 10;
constexpr size_t kMemoryBytesMax = 32 << 20;
constexpr int kStreamsMax = 16;  // of a connection
constexpr size_t kWaitingMax = 256;

class JoiningService final : public pb::Joining::CallbackService {
 public:
  JoiningService(const JoiningOptions& options, Enrolment& enrolment, AuditLog& audit)
      : options_(options), enrolment_(enrolment), audit_(audit), workers_(1, kWaitingMax) {}

  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context,
                                 const pb::JoinRequest* request, pb::JoinReply* reply) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool queued = workers_.run([this, reactor, context, request, reply] {
      const Time begun = clock_now();
      const Status joined = join(*request, *reply);
      if (!joined) log::warning("{} may not join: {}", context->peer(), joined.error().message);
      note(begun, context->peer(), joined, *reply);
      reactor->Finish(to_status(joined));
    });
    if (!queued) {
      reactor->Finish(to_status(Error{Code::kExhausted, "too many machines join", "try again"}));
    }
    return reactor;
  }

 private:
  void note(Time begun, std::string from, const Status& joined, const pb::JoinReply& reply) {
    AuditEntry entry;
    entry.at = begun;
    entry.who = reply.name();
    entry.role = reply.role();
    entry.from = std::move(from);
    entry.call = "Join";
    entry.took = clock_now() - begun;
    if (!joined) {
      entry.error = joined.error().message;
      entry.refused = true;
    }
    audit_.write(entry);
  }

  Status join(const pb::JoinRequest& request, pb::JoinReply& reply) {
    TRY(check_version("this machine's devrun", request.version()));
    Enrolment::Joined joined =
        TRY(enrolment_.join(request.secret(), request.request(), clock_now()));
    reply.set_certificate(joined.certificate);
    reply.set_role(std::string(role_name(joined.who.role)));
    reply.set_name(joined.who.name);
    reply.set_controller(options_.controller);
    if (joined.who.role == Role::kNode) reply.set_settings(options_.settings);
    return ok();
  }

  const JoiningOptions options_;
  Enrolment& enrolment_;
  AuditLog& audit_;
  WorkerPool workers_;  // what is granted is synced to disk
};

class JoiningServer final : public Joining {
 public:
  JoiningServer(const JoiningOptions& options, Enrolment& enrolment, AuditLog& audit)
      : service_(options, enrolment, audit) {}
  ~JoiningServer() override {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  Status begin(const std::string& listen, const Pem& own, const std::string& authority) {
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    // With the authority: who knows its fingerprint alone looks for it there.
    tls.pem_key_cert_pairs.push_back({own.key, own.certificate + authority});
    grpc::ServerBuilder builder;
    builder.AddListeningPort(listen, grpc::SslServerCredentials(tls), &port_);
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.SetResourceQuota(grpc::ResourceQuota("joining").Resize(kMemoryBytesMax));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30'000);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 5'000);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = builder.BuildAndStart();
    if (server_ && port_ != 0) return ok();
    return Error{Code::kUnavailable,
                 fmt::format("cannot listen on {} for machines that join: the address is taken or "
                             "not this machine's",
                             listen),
                 "ss -ltnp"};
  }

  int port() const override { return port_; }

 private:
  JoiningService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Joining>> Joining::listen(const JoiningOptions& options, const Pem& own,
                                                 const std::string& authority, Enrolment& enrolment,
                                                 AuditLog& audit) {
  auto out = std::make_unique<JoiningServer>(options, enrolment, audit);
  TRY(out->begin(options.listen, own, authority));
  return std::unique_ptr<Joining>(std::move(out));
}

}  // namespace devrun::controller
