#include "bench/sched_agents/agents.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "common/base/version.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::bench {

namespace pb = devrun::v1;

namespace {
constexpr int64_t kCores = 4;
}

std::shared_ptr<grpc::Channel> dial(const std::string& address, const Pem& authority,
                                    const Pem& own) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = authority.certificate;
  tls.pem_cert_chain = own.certificate;
  tls.pem_private_key = own.key;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);  // as the agent's
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), arguments);
}

// Reports go one at a time, each with all that is to be said by then.
class Agent final : public grpc::ClientReadReactor<pb::DesiredState> {
 public:
  Agent(std::string name, std::shared_ptr<grpc::Channel> channel, Counted& counted)
      : name_(std::move(name)), stub_(pb::Agent::NewStub(channel)), counted_(counted) {
    pb::NodeHello& hello = *request_.mutable_hello();
    hello.set_name(name_);
    hello.set_boot_id("boot");
    hello.set_address(name_);
    hello.set_version(std::string(kVersion));
    hello.mutable_total()->set_cpu_milli(kCores * 1000);
    hello.mutable_total()->set_memory_bytes(int64_t{64} << 30);
    request_.set_instance("bench");
    stub_->async()->Synchronize(&context_, &request_, this);
    StartRead(&desired_);
    StartCall();
  }
  ~Agent() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    over_.wait(lock, [&] { return done_ && !reporting_; });
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

 private:
  void OnReadDone(bool good) override {
    if (!good) return;
    const std::lock_guard lock(mutex_);
    if (desired_.whole()) ++counted_.connected;
    for (const pb::Desired& one : desired_.desired()) {
      if (one.has_spec() && !one.stop()) add(one.key(), pb::PHASE_RUNNING);
    }
    report();
    StartRead(&desired_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ++counted_.broken;
    over_.notify_all();
  }

  void add(const pb::AttemptKey& key, pb::Phase phase) {
    pb::ObservedAttempt& observed = *news_.add_observed();
    *observed.mutable_key() = key;
    observed.set_phase(phase);
    if (phase == pb::PHASE_ENDED) observed.mutable_ending()->set_cause(pb::EXITED);
  }
  // Under mutex_.
  void report() {
    if (reporting_ || done_ || news_.observed_size() == 0) return;
    reporting_ = true;
    said_.Clear();
    said_.Swap(&news_);
    said_.set_node(name_);
    said_.set_instance("bench");
    report_context_ = std::make_unique<grpc::ClientContext>();
    stub_->async()->Report(report_context_.get(), &said_, &reply_,
                           [this](const grpc::Status& status) { reported(status); });
  }
  void reported(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    reporting_ = false;
    if (!status.ok()) ++counted_.broken;
    for (const pb::ObservedAttempt& one : said_.observed()) {
      if (!status.ok()) break;
      if (one.phase() == pb::PHASE_ENDED) {
        ++counted_.ended;
      } else {
        add(one.key(), pb::PHASE_ENDED);
      }
    }
    report();
    over_.notify_all();
  }

  const std::string name_;
  const std::unique_ptr<pb::Agent::Stub> stub_;
  Counted& counted_;
  grpc::ClientContext context_;
  pb::SynchronizeRequest request_;
  pb::DesiredState desired_;
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  bool reporting_ = false;
  pb::ReportRequest news_;
  pb::ReportRequest said_;
  pb::ReportReply reply_;
  std::unique_ptr<grpc::ClientContext> report_context_;
};

Agents::Agents() = default;
Agents::~Agents() = default;

Result<std::unique_ptr<Agents>> Agents::start(const std::string& address, const Pem& authority,
                                              uint64_t count) {
  std::unique_ptr<Agents> out(new Agents);
  for (uint64_t n = 0; n < count; ++n) {
    const std::string name = fmt::format("node{:04}", n);
    const Pem own = TRY(issue_certificate(authority, {Role::kNode, name}, {}, 1));
    out->agents_.push_back(
        std::make_unique<Agent>(name, dial(address, authority, own), out->counted_));
  }
  return out;
}

}  // namespace devrun::bench
