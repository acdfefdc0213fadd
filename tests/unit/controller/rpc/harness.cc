#include "tests/unit/controller/rpc/harness.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/file.h"
#include "controller/access/accounts.h"

namespace devrun::controller::testing {

namespace {

class MemoryStorage final : public storage::Storage {
 public:
  MemoryStorage(std::shared_ptr<Volumes> volumes, std::string folder)
      : volumes_(std::move(volumes)), folder_(std::move(folder)) {}

  Status create_volume(const storage::NewVolume& wanted, storage::Work& work) override {
    work.tell("making " + wanted.name);
    const std::lock_guard lock(volumes_->mutex);
    if (!volumes_->owners.emplace(wanted.name, wanted.owner).second) {
      return Error{Code::kExists, "there is a volume '" + wanted.name + "' already", {}};
    }
    return ok();
  }
  // Tested with the real storage.
  Status import_archive(const std::string&, const std::string&, const storage::FromArchive&,
                        const storage::MayGoOn&, storage::Work&) override {
    return absent();
  }
  Result<std::vector<storage::RemovedVolume>> removed_volumes() override { return absent(); }
  Status return_volume(const std::string&) override { return absent(); }
  Status set_quota(const std::string&, int64_t) override { return absent(); }
  Status share(const std::string& volume, const std::string& with,
               std::optional<storage::ShareFor> access) override {
    const std::lock_guard lock(volumes_->mutex);
    volumes_->shares[volume].erase(with);
    if (access) volumes_->shares[volume][with] = *access;
    return ok();
  }
  Result<PathRules> volume_paths(const std::string& volume) override {
    const std::lock_guard lock(volumes_->mutex);
    return volumes_->paths[volume];
  }
  Status set_volume_paths(const std::string& volume, const PathRules& rules) override {
    const std::lock_guard lock(volumes_->mutex);
    volumes_->paths[volume] = rules;
    return ok();
  }
  Result<storage::StoreUsage> usage() override { return absent(); }
  Result<size_t> save_records(const std::string&) override {
    const std::lock_guard lock(volumes_->mutex);
    return volumes_->owners.size();
  }
  Status keep_trace(const std::string&, const std::vector<std::string>&,
                    std::string_view) override {
    return absent();
  }
  Result<std::vector<storage::SnapshotRecord>> snapshots(const std::string&) override {
    return absent();
  }
  Result<storage::SnapshotRecord> find_snapshot(const storage::SnapshotName& name) override {
    const std::lock_guard lock(volumes_->mutex);
    if (volumes_->snapshots_are_gone) return Error{Code::kNotFound, "no snapshot", {}};
    storage::SnapshotRecord out;
    if (const auto tree = Digest::from_hex(name.snapshot)) out.tree = *tree;
    return out;
  }
  Result<storage::SnapshotRecord> keep_snapshot(const std::string&, const std::string&) override {
    return absent();
  }
  Result<storage::SnapshotRecord> remove_snapshot(const storage::SnapshotName&) override {
    return absent();
  }
  Result<storage::Restored> restore(const storage::SnapshotName&, const std::vector<std::string>&,
                                    storage::Work&) override {
    return absent();
  }
  Status diff(
      const storage::SnapshotName&, const storage::SnapshotName&,
      const std::function<Status(const storage::SnapshotRecord&, const storage::SnapshotRecord&)>&,
      const storage::DifferenceSink&) override {
    return absent();
  }
  Status read_file(const storage::SnapshotName&, const std::string&, uint64_t,
                   const storage::BytesSink&) override {
    return absent();
  }
  Result<std::unique_ptr<storage::HomeRound>> begin_round(storage::HomeStart) override {
    return absent();
  }
  Result<storage::ChangeSet> change_set(const AttemptKey&) override {
    return Error{Code::kNotFound, "no change set", {}};
  }
  Result<std::vector<AttemptKey>> change_sets(JobId) override { return std::vector<AttemptKey>(); }
  Status changes(const AttemptKey&, const std::vector<std::string>&,
                 const storage::ChangeSink&) override {
    return absent();
  }
  Result<storage::Taken> take_changes(const storage::TakeRequest&, storage::Work&) override {
    return absent();
  }
  Result<storage::Taken> undo_changes(const AttemptKey&, storage::Work&) override {
    return absent();
  }
  Status diff_trees(const Digest&, const Digest&, const storage::DifferenceSink&) override {
    return absent();
  }
  Status read_tree_file(const Digest&, const std::string&, uint64_t,
                        const storage::BytesSink&) override {
    return absent();
  }
  Result<storage::SetupFound> find_setup(const storage::SetupWish& wish) override {
    return storage::SetupFound{SetupHow::kCold, wish.plain, 0, "nothing is kept"};
  }
  Result<Digest> derive_tree(const std::string&, const Digest& tree,
                             const std::vector<storage::Layer>&) override {
    return tree;
  }
  Result<Digest> derive_volume_tree(const std::string&, const Digest& tree,
                                    const std::vector<storage::Layer>&, const Digest&) override {
    return tree;
  }
  Result<storage::Collected> collect(const storage::CollectRequest&) override { return absent(); }
  Result<Time> remove_volume(const std::string& name, const storage::MayGoOn& is_unused) override {
    TRY(is_unused());
    const std::lock_guard lock(volumes_->mutex);
    volumes_->owners.erase(name);
    return Time{1};
  }
  Result<std::vector<storage::VolumeInfo>> volumes() override {
    const std::lock_guard lock(volumes_->mutex);
    std::vector<storage::VolumeInfo> out;
    for (const auto& [name, owner] : volumes_->owners) out.push_back(info_of(name, owner));
    return out;
  }
  Result<storage::VolumeInfo> volume(const std::string& name) override {
    const std::lock_guard lock(volumes_->mutex);
    const auto it = volumes_->owners.find(name);
    if (it == volumes_->owners.end()) return Error{Code::kNotFound, "no volume " + name, {}};
    return info_of(name, it->second);
  }
  Result<storage::Snapshot> take_snapshot(const std::string&) override {
    const std::lock_guard lock(volumes_->mutex);
    if (volumes_->snapshots_fail) return Error{Code::kExhausted, "the store is full", "df -h"};
    storage::Snapshot snapshot;
    snapshot.tree.bytes[0] = 7;
    snapshot.tree.bytes[31] = static_cast<uint8_t>(++volumes_->snapshots_taken);
    return snapshot;
  }
  std::string live_path(const std::string& volume) const override { return "/none/" + volume; }
  std::string export_path() const override { return folder_ + "/export"; }
  std::string jobs_path() const override { return folder_ + "/jobs"; }

 private:
  // With the mutex.
  storage::VolumeInfo info_of(const std::string& name, const std::string& owner) const {
    storage::VolumeInfo out{name, owner, "memory", {}, {}, {}, 0, 0};
    const auto made = volumes_->made.find(name);
    if (made != volumes_->made.end()) out.created = made->second;
    const auto shares = volumes_->shares.find(name);
    if (shares != volumes_->shares.end()) out.shares = shares->second;
    return out;
  }
  static Error absent() { return {Code::kUnsupported, "not in memory", {}}; }

  std::shared_ptr<Volumes> volumes_;
  std::string folder_;
};

void start_log_once() {
  static const bool started = [] {
    log::start("test",
               std::getenv("DEVRUN_LOG") != nullptr ? log::Level::kDebug : log::Level::kError);
    return true;
  }();
  (void)started;
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TestCluster::TestCluster() {
  start_log_once();
  std::string pattern = std::filesystem::temp_directory_path() / "devrun-rpc-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
  authority_ = *make_authority("test", 1);
  certificate_ =
      *issue_certificate(authority_, {Role::kController, "controller"}, {"localhost"}, 1);
  start();
}

TestCluster::~TestCluster() {
  stop();
  std::filesystem::remove_all(folder_);
}

namespace {

void make_users(const std::string& folder) {
  if (!make_folders(folder, 0700)) std::abort();
  const auto accounts = *Accounts::open(folder + "/accounts.json");
  const std::vector<std::pair<std::string, UserAccount>> users = {
      {"ada", {}}, {"bob", {Role::kUser, {"vision"}}}, {"carol", {}},           {"mallory", {}},
      {"eve", {}}, {"rita", {Role::kReader}},          {"olga", {Role::kAdmin}}};
  for (const auto& [name, account] : users) {
    if (!accounts->is_there(name) && !accounts->add(name, account)) std::abort();
  }
}

}  // namespace

void TestCluster::start() {
  // Once: a user who was removed stays away.
  if (!std::filesystem::exists(folder_ + "/state")) make_users(folder_ + "/state");
  ServerOptions options;
  options.state_folder = folder_ + "/state";
  options.listen = "127.0.0.1:0";
  options.authority_pem = authority_.certificate;
  options.certificate_pem = certificate_.certificate;
  options.key_pem = certificate_.key;
  options.policy = policy_;
  options.joining.authority_key = authority_.key;
  options.joining.listen = "127.0.0.1:0";
  options.joining.address = "ctl:7444";
  options.joining.controller = "ctl:7443";
  options.joining.settings = "nfs: 10.0.0.1:2049\n";
  auto server = Server::start(options, std::make_unique<MemoryStorage>(volumes_, folder_));
  if (!server) {
    ADD_FAILURE() << server.error().message;
    std::abort();
  }
  server_ = std::move(*server);
}

std::vector<std::string> TestCluster::audit(const std::string& file) const {
  std::vector<std::string> out;
  std::stringstream lines(*read_file(folder_ + "/state/" + file));
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

void TestCluster::stop() {
  server_.reset();
}

std::shared_ptr<grpc::Channel> TestCluster::channel(Role role, const std::string& name) {
  return channel_with(*issue_certificate(authority_, {role, name}, {}, 1));
}

std::shared_ptr<grpc::Channel> TestCluster::join_channel() {
  grpc::SslCredentialsOptions tls{authority_.certificate, {}, {}};
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("localhost");
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->join_port()),
                                   grpc::SslCredentials(tls), arguments);
}
std::shared_ptr<grpc::Channel> TestCluster::channel_with(const Pem& pem) {
  grpc::SslCredentialsOptions tls{authority_.certificate, pem.key, pem.certificate};
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("localhost");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                   grpc::SslCredentials(tls), arguments);
}

std::unique_ptr<pb::Client::Stub> TestCluster::client(Role role, const std::string& name) {
  return pb::Client::NewStub(channel(role, name));
}

pb::SubmitRequest request(const std::string& id, std::vector<std::string> argv) {
  pb::SubmitRequest out;
  out.set_request_id(id);
  out.set_env(std::string("PATH=/bin\0SECRET=x=y\0", 21));
  pb::JobSpec& spec = *out.mutable_spec();
  spec.mutable_root()->set_volume("work");
  spec.set_nodes(1);
  for (const std::string& word : argv) spec.mutable_program()->add_argv(word);
  spec.mutable_program()->set_cwd("/");
  return out;
}

Error error_of(const grpc::Status& status) {
  return wire::error_of_call(status.error_code(), status.error_message(), status.error_details());
}

std::string record(std::string_view text) {
  std::string out(16, '\0');
  out[0] = 1;
  for (int i = 0; i < 4; ++i)
    out[4 + static_cast<size_t>(i)] = static_cast<char>(text.size() >> (8 * i));
  return out.append(text);
}

FakeAgent::FakeAgent(TestCluster& cluster, std::string name)
    : stub_(pb::Agent::NewStub(cluster.channel(Role::kNode, name))) {
  hello.set_name(name);
  hello.set_boot_id("boot-1");
  hello.set_address("127.0.0.1");
  hello.set_version(std::string(kVersion));
  hello.mutable_total()->set_cpu_milli(4000);
  hello.mutable_total()->set_memory_bytes(8LL << 30);
}

FakeAgent::~FakeAgent() {
  disconnect();
}

void FakeAgent::connect() {
  disconnect();
  context_ = std::make_unique<grpc::ClientContext>();
  pb::SynchronizeRequest request;
  *request.mutable_hello() = hello;
  request.set_instance("i");
  for (const auto& [key, observed] : known_) *request.add_observed() = wire::to_proto(observed);
  reader_ = stub_->Synchronize(context_.get(), request);
  pb::DesiredState whole;
  ASSERT_TRUE(reader_->Read(&whole)) << reader_->Finish().error_message();
  EXPECT_TRUE(whole.whole());
  {
    const std::lock_guard lock(mutex_);
    desired_.clear();
    for (const pb::Desired& desired : whole.desired()) {
      const AttemptKey key = *wire::from_proto(desired.key());
      desired_[key] = desired;
      if (desired.has_spec()) specs_[key] = desired.spec();
    }
  }
  thread_ = std::thread([this] { read(); });
}

void FakeAgent::read() {
  pb::DesiredState message;
  while (reader_->Read(&message)) {
    const std::lock_guard lock(mutex_);
    for (const pb::Desired& desired : message.desired()) {
      const AttemptKey key = *wire::from_proto(desired.key());
      desired_[key] = desired;
      if (desired.has_spec()) specs_[key] = desired.spec();
    }
    for (const pb::AttemptKey& key : message.released()) desired_.erase(*wire::from_proto(key));
  }
}

void FakeAgent::disconnect() {
  if (!thread_.joinable()) return;
  context_->TryCancel();
  thread_.join();
  reader_->Finish();
  reader_.reset();
}

std::optional<pb::Desired> FakeAgent::desired(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = desired_.find(key);
  return it == desired_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<pb::AttemptSpec> FakeAgent::spec(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = specs_.find(key);
  return it == specs_.end() ? std::nullopt : std::optional(it->second);
}

bool FakeAgent::wait_desired(const AttemptKey& key) {
  return eventually([&] { return desired(key).has_value(); });
}
bool FakeAgent::wait_released(const AttemptKey& key) {
  return eventually([&] { return !desired(key).has_value(); });
}

void FakeAgent::report(const AttemptKey& key, Phase phase, std::optional<Ending> ending,
                       int64_t output_bytes) {
  ObservedAttempt& observed = known_[key];
  observed.key = key;
  observed.phase = phase;
  observed.ending = std::move(ending);
  observed.output_bytes = output_bytes;
  pb::ReportRequest request;
  request.set_node(hello.name());
  *request.add_observed() = wire::to_proto(observed);
  pb::ReportReply reply;
  Call call;
  const grpc::Status status = stub_->Report(&call, request, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

void FakeAgent::send_output(const AttemptKey& key, const std::string& output) {
  Call call;
  const auto stream = stub_->Streams(&call);
  pb::StreamsUp up;
  *up.mutable_start() = wire::to_proto(key);
  ASSERT_TRUE(stream->Write(up));
  pb::StreamsDown down;
  ASSERT_TRUE(stream->Read(&down));
  ASSERT_EQ(down.kind_case(), pb::StreamsDown::kOutputFrom);
  uint64_t taken = down.output_from();
  uint64_t sent = taken;
  while (taken < output.size()) {
    while (sent < output.size() && sent - taken < (4 << 20)) {
      up.mutable_output()->set_offset(sent);
      up.mutable_output()->set_data(output.substr(sent, 256 << 10));
      sent += up.output().data().size();
      ASSERT_TRUE(stream->Write(up));
    }
    ASSERT_TRUE(stream->Read(&down)) << stream->Finish().error_message();
    if (down.kind_case() == pb::StreamsDown::kOutputTaken) taken = down.output_taken();
  }
  stream->WritesDone();
  while (stream->Read(&down)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace devrun::controller::testing
