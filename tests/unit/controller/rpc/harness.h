// A whole controller in this process, over TLS on loopback, and an agent that speaks the real protocol but runs nothing:
// tests say what its attempts do. Storage is held in memory (storage::Storage is a seam with that name).
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/runtime/pki.h"
#include "common/wire/attempt.h"
#include "common/wire/error.h"
#include "controller/rpc/server.h"
#include "devrun/v1/agent.grpc.pb.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller::testing {

namespace pb = devrun::v1;

// Polls until it holds; false after 20 s.
bool eventually(const std::function<bool()>& condition);

// Volumes that are a name and an owner. Shared by the controllers of a test, as a store is.
struct Volumes {
  std::mutex mutex;
  std::map<std::string, std::string> owners{{"work", "ada"}};
  std::map<std::string, storage::Shares> shares;
  std::map<std::string, Time> made;  // 0 otherwise
  bool snapshots_fail = false;
  uint64_t snapshots_taken = 0;
  bool snapshots_are_gone = false;
  std::map<std::string, PathRules> paths;
};

struct Call : grpc::ClientContext {
  Call() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30)); }
};

// Its users: ada, bob (of the group vision), carol, mallory, eve; rita, who is read-only; olga, an administrator.
class TestCluster {
 public:
  TestCluster();
  ~TestCluster();

  void start();
  void stop();
  std::shared_ptr<grpc::Channel> channel(Role role, const std::string& name);
  // With a certificate of the caller's making; none if empty.
  std::shared_ptr<grpc::Channel> channel_with(const Pem& pem);
  std::unique_ptr<pb::Client::Stub> client(Role role = Role::kUser,
                                           const std::string& name = "ada");
  Volumes& volumes() { return *volumes_; }
  const std::string& folder() const { return folder_; }
  Policy& policy() { return policy_; }  // of the next start
  // Where machines without a certificate join.
  std::shared_ptr<grpc::Channel> join_channel();
  const Pem& authority() const { return authority_; }
  // The lines of the audit log.
  std::vector<std::string> audit(const std::string& file = "audit.jsonl") const;

 private:
  std::string folder_;
  std::shared_ptr<Volumes> volumes_ = std::make_shared<Volumes>();
  Pem authority_;
  Pem certificate_;
  Policy policy_;
  std::unique_ptr<Server> server_;
};

pb::SubmitRequest request(const std::string& id, std::vector<std::string> argv = {"true"});
Error error_of(const grpc::Status& status);
// Output log records: one record of stdout.
std::string record(std::string_view text);

class FakeAgent {
 public:
  FakeAgent(TestCluster& cluster, std::string name);
  ~FakeAgent();

  void connect();  // opens Synchronize with all that it knows
  void disconnect();
  // What should be, as the controller last said it.
  std::optional<pb::Desired> desired(const AttemptKey& key);
  std::optional<pb::AttemptSpec> spec(const AttemptKey& key);
  bool wait_desired(const AttemptKey& key);
  bool wait_released(const AttemptKey& key);
  // Remembers and reports.
  void report(const AttemptKey& key, Phase phase, std::optional<Ending> ending = {},
              int64_t output_bytes = 0);
  // As an agent that finds its attempts again after a restart.
  void remember(const AttemptKey& key, Phase phase) {
    known_[key].key = key;
    known_[key].phase = phase;
  }
  // Sends all of `output` and waits until it is stored.
  void send_output(const AttemptKey& key, const std::string& output);
  pb::Agent::Stub& stub() { return *stub_; }
  pb::NodeHello hello;

 private:
  void read();

  std::unique_ptr<pb::Agent::Stub> stub_;
  std::map<AttemptKey, ObservedAttempt> known_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<pb::DesiredState>> reader_;
  std::thread thread_;
  std::mutex mutex_;
  std::map<AttemptKey, pb::Desired> desired_;
  std::map<AttemptKey, pb::AttemptSpec> specs_;
};

}  // namespace devrun::controller::testing
