#include "controller/rpc/server.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <random>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "controller/core/apply.h"
#include "controller/metrics/http_text.h"
#include "controller/rpc/access_service.h"
#include "controller/rpc/agent_service.h"
#include "controller/rpc/call_witness.h"
#include "controller/rpc/client_service.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/cluster_numbers.h"
#include "controller/rpc/derived_root.h"
#include "controller/rpc/enrolment_service.h"
#include "controller/rpc/live_rights.h"
#include "controller/rpc/monitor_service.h"
#include "controller/rpc/operations_service.h"
#include "controller/rpc/samples_service.h"

namespace devrun::controller {

namespace {

constexpr size_t kSnapshotThreads = 4;
constexpr size_t kSnapshotQueueMax = 10'000;
constexpr size_t kVolumeThreads = 4;
constexpr size_t kVolumeQueueMax = 100;
// Each serves one caller for as long as they take: an archive that comes slowly, a list that is read slowly.
constexpr size_t kLongThreads = 16;
constexpr size_t kLongQueueMax = 100;
// Each serves one agent's round at a time, at the speed of that agent.
constexpr size_t kHomeThreads = 8;
constexpr size_t kHomeQueueMax = 10'000;
constexpr size_t kAccessQueueMax = 1000;
constexpr size_t kSyncThreads = 2;
constexpr size_t kSyncQueueMax = 100'000;
constexpr int kMessageBytesMax = 16 << 20;
constexpr auto kMetricsPatience = std::chrono::seconds(5);

struct Opened {
  std::unique_ptr<Enrolment> enrolment;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<AuditLog> audit;
  Sealer sealer;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Archive> archive;
  State state;
};

Result<Opened> open_state(const ServerOptions& options, const std::string& jobs_path) {
  const std::string& folder = options.state_folder;
  TRY(make_folders(folder, 0700));
  std::unique_ptr<Enrolment> enrolment =
      TRY(Enrolment::open({{options.authority_pem, options.joining.authority_key},
                           folder + "/enrolment.json",
                           options.joining.certificate_life,
                           std::filesystem::exists(folder + "/restored.json")}));
  std::unique_ptr<Accounts> accounts = TRY(Accounts::open(folder + "/accounts.json"));
  std::unique_ptr<AuditLog> audit = TRY(AuditLog::open(folder));
  Sealer sealer = TRY(Sealer::open(folder + "/seal.key"));
  // An empty journal would take all that runs for nobody's.
  if (std::filesystem::exists(folder + "/restored.json") &&
      !std::filesystem::exists(folder + "/journal.db")) {
    return Error{Code::kCorrupt,
                 fmt::format("a restore into {} did not finish: there is no journal.db", folder),
                 "devrun restore, once more"};
  }
  std::unique_ptr<Journal> journal = TRY(Journal::open(folder + "/journal.db"));
  State state;
  size_t events = 0;
  TRY(journal->replay([&](const Event& event) {
    apply(state, event);
    ++events;
  }));
  state.presence.started = clock_now();
  std::unique_ptr<Archive> archive = TRY(Archive::open(folder + "/history.db", options.archive));
  TRY(archive->recall_dependencies(state, state.presence.started));
  TRY(go_on_from_backup(folder, jobs_path, state, *journal, state.presence.started));
  log::info("journal: {} events, {} jobs, {} nodes", events, state.jobs.size(), state.nodes.size());
  return Opened{std::move(enrolment), std::move(accounts), std::move(audit), std::move(sealer),
                std::move(journal),   std::move(archive),  std::move(state)};
}

std::shared_ptr<grpc::ServerCredentials> credentials(const ServerOptions& options,
                                                     const Gate& gate) {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = options.authority_pem;
  tls.pem_key_cert_pairs.push_back({options.key_pem, options.certificate_pem});
  std::shared_ptr<grpc::ServerCredentials> out = grpc::SslServerCredentials(tls);
  out->SetAuthMetadataProcessor(admission(gate));
  return out;
}

// Tells one life of a controller from another.
std::string new_epoch() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

constexpr const char* kNobodyAttached =
    "nobody was attached any more for as long as --on-disconnect cancel allows";

// Members are made in this order and destroyed in the reverse.
class ServerParts final : public Server {
 public:
  ServerParts(Opened opened, std::unique_ptr<storage::Storage> storage,
              const ServerOptions& options)
      : storage_(std::move(storage)),
        enrolment_(std::move(opened.enrolment)),
        accounts_(std::move(opened.accounts)),
        audit_(std::move(opened.audit)),
        gate_(*enrolment_, *accounts_),
        sealer_(std::move(opened.sealer)),
        journal_(std::move(opened.journal)),
        archive_(std::move(opened.archive)),
        syncs_(kSyncThreads, kSyncQueueMax),
        hub_(storage_->jobs_path(), syncs_,
             [this](const AttemptKey& key, uint64_t bytes) {
               core_.post(OutputStored{key, static_cast<int64_t>(bytes)});
             }),
        agents_(sealer_, *accounts_, *storage_,
                [this](JobId job, const std::string& why) {
                  core_.post(Cancel{{job, kNoTask}, 0, why});
                }),
        watches_(new_epoch(), samples_),
        edge_(
            agents_, hub_, watches_, samples_, attendance_,
            [this](JobId job) {
              core_.post(Cancel{{job, kNoTask}, 0, kNobodyAttached});
            },
            [this](const DeriveRoot& wanted) { derive(wanted); },
            [this](GpusIdle idle) { core_.post(std::move(idle)); }),
        core_(std::move(opened.state), *journal_, edge_, *archive_),
        snapshots_(kSnapshotThreads, kSnapshotQueueMax),
        volume_work_(kVolumeThreads, kVolumeQueueMax),
        long_work_(kLongThreads, kLongQueueMax),
        home_work_(kHomeThreads, kHomeQueueMax),
        access_work_(1, kAccessQueueMax),
        refusals_(options.state_folder, options.nfs_folder),
        collecting_(*storage_, core_, *archive_, quotas_, options.collect),
        agent_service_(parts(), held_),
        client_service_(parts()),
        monitor_service_(parts()),
        samples_service_(samples_, gate_),
        enrolment_service_(parts(), *enrolment_, held_),
        access_service_(parts(), *enrolment_, held_),
        operations_service_(parts(), options.state_folder) {}

  ~ServerParts() override { stop(); }

  Status listen(const ServerOptions& options) {
    const std::string join_address = begin_joining(options);
    enrolment_service_.say_where(join_address);
    access_service_.say_where(join_address);
    quotas_.set_policy(options.policy);
    core_.start();
    archive_->start(core_);
    // A right may have been taken back in the moment before a crash.
    if (!volume_work_.run([this] { end_jobs_without_rights(parts()); })) {
      log::warning("jobs with live folders are not looked at");
    }
    collecting_.start();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(options.listen, credentials(options, gate_), &port_);
    builder.RegisterService(&agent_service_);
    builder.RegisterService(&client_service_);
    builder.RegisterService(&monitor_service_);
    builder.RegisterService(&samples_service_);
    builder.RegisterService(&enrolment_service_);
    builder.RegisterService(&access_service_);
    builder.RegisterService(&operations_service_);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> witnesses;
    witnesses.push_back(call_witnesses({*audit_, held_, gate_}));
    builder.experimental().SetInterceptorCreators(std::move(witnesses));
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.SetMaxSendMessageSize(-1);
    // A silent peer is found out within 10 s. Agents ask every 5 s themselves (agent/sync/channel.cc), and who has just
    // been heard is not asked: so each connection is pinged from one side alone.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 4000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = builder.BuildAndStart();
    if (!server_ || port_ == 0) {
      return Error{Code::kUnavailable,
                   fmt::format("cannot listen on {}: the address is taken or not this machine's, "
                               "or the certificate is unusable",
                               options.listen),
                   "ss -ltnp"};
    }
    serve_metrics(options.metrics);
    return ok();
  }

  int port() const override { return port_; }
  int metrics_port() const override { return metrics_ ? metrics_->port() : 0; }
  int join_port() const override { return joining_ ? joining_->port() : 0; }

  void set_policy(const Policy& policy) override {
    quotas_.set_policy(policy);
    core_.post(SetPolicy{policy});
  }
  void stop() override {
    joining_.reset();
    if (server_) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_->Wait();
      server_.reset();
    }
    metrics_.reset();
    // Each before what it still posts to.
    collecting_.stop();
    home_work_.stop();
    access_work_.stop();
    volume_work_.stop();
    long_work_.stop();
    snapshots_.stop();
    archive_->stop();
    core_.stop();
    syncs_.stop();
  }

 private:
  // Where others join; empty: nowhere. Jobs go on without that port, so it keeps no controller from starting.
  std::string begin_joining(const ServerOptions& options) {
    if (options.joining.listen.empty()) return {};
    auto listening = Joining::listen(options.joining, {options.certificate_pem, options.key_pem},
                                     options.authority_pem, *enrolment_, *audit_);
    if (!listening) {
      log::error("{}: nobody can join until the controller is started again",
                 listening.error().message);
      return {};
    }
    joining_ = std::move(*listening);
    log::info("new machines join at port {}", joining_->port());
    return options.joining.address;
  }

  // A page is worth no controller that does not start.
  void serve_metrics(const std::string& address) {
    if (address == "none") return;
    auto listening = HttpText::listen(address, "/metrics", [this] { return metrics_page(); });
    if (!listening) return log::warning("no metrics: {}", listening.error().message);
    metrics_ = std::move(*listening);
    log::info("metrics on port {}, /metrics", metrics_->port());
  }

  std::string metrics_page() {
    auto asked = std::make_shared<std::promise<ClusterNumbers>>();
    std::future<ClusterNumbers> numbers = asked->get_future();
    core_.read(
        [asked](const State& state, Time now) { asked->set_value(cluster_numbers(state, now)); });
    if (numbers.wait_for(kMetricsPatience) != std::future_status::ready) return {};
    ClusterNumbers out = numbers.get();
    out.samples = samples_.newest(clock_now());
    return exposition(out);
  }

  Parts parts() {
    return {core_,     *archive_,  hub_,       sessions_,    agents_,    watches_,    attendance_,
            *storage_, sealer_,    snapshots_, volume_work_, long_work_, home_work_,  round_news_,
            samples_,  *accounts_, gate_,      access_work_, quotas_,    site_notes_, refusals_};
  }

  void derive(const DeriveRoot& wanted) {
    const bool queued =
        snapshots_.run([this, wanted] { core_.post(derived_root(*storage_, wanted)); });
    if (queued) return;
    core_.post(Derived{wanted.task, wanted.attempt,
                       Error{Code::kExhausted, "the controller has too much to do", {}}});
  }

  std::unique_ptr<storage::Storage> storage_;
  std::unique_ptr<Enrolment> enrolment_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<AuditLog> audit_;
  Gate gate_;
  HeldCalls held_;
  Sealer sealer_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Archive> archive_;
  WorkerPool syncs_;
  StreamHub hub_;
  SessionHub sessions_;
  AgentSessions agents_;
  SampleBook samples_;
  Watches watches_;
  Attendance attendance_;
  RpcEdge edge_;
  CoreLoop core_;
  WorkerPool snapshots_;
  WorkerPool volume_work_;
  WorkerPool long_work_;
  RoundNews round_news_;
  Quotas quotas_;
  SiteNotes site_notes_;
  WorkerPool home_work_;
  WorkerPool access_work_;
  StoreRefusals refusals_;
  Collecting collecting_;
  AgentService agent_service_;
  ClientService client_service_;
  MonitorService monitor_service_;
  SamplesService samples_service_;
  EnrolmentService enrolment_service_;
  AccessService access_service_;
  OperationsService operations_service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<HttpText> metrics_;
  std::unique_ptr<Joining> joining_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                              std::unique_ptr<storage::Storage> storage) {
  Opened opened = TRY(open_state(options, storage->jobs_path()));
  opened.state.policy = options.policy;
  opened.state.schedule.begin(opened.state, opened.state.presence.started);
  auto server = std::make_unique<ServerParts>(std::move(opened), std::move(storage), options);
  TRY(server->listen(options));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace devrun::controller
