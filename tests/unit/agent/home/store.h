// A controller that takes what attempts wrote, over real gRPC: it keeps what it got and asks for what it lacks, so that tests look
// at state. It can be told to fail.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/model/ids.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::home {

class Store final : public devrun::v1::Agent::Service {
 public:
  Store();
  ~Store() override;

  std::shared_ptr<grpc::Channel> channel() const;

  // ── what it is to do ──
  // Calls end with this after so many bytes of files, so many times.
  void fail(grpc::StatusCode code, uint64_t after_bytes = 0, int times = 1);
  void take_zeros() { takes_zeros_ = true; }  // as HomeWanted says it
  void go_away();                             // no call is answered any more
  void come_back();

  // ── what it has ──
  struct File {
    devrun::v1::Entry entry;
    std::string bytes;
  };
  struct Kept {
    std::map<std::string, File> files;                  // regular ones, by path, as told last
    std::map<std::string, devrun::v1::HomeEntry> told;  // by the last round
    bool complete = false;                              // a final round was answered
    int rounds = 0;                                     // that were answered
  };
  Kept kept(const AttemptKey& key);
  std::string bytes(const AttemptKey& key, const std::string& path);  // "-" if it has none
  uint64_t bytes_received();
  int most_at_once();  // rounds of one attempt
  int calls();

  grpc::Status BringHome(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<devrun::v1::HomeDown, devrun::v1::HomeUp>*) override;

 private:
  struct Taking;
  grpc::Status take(Taking& taking);
  grpc::Status take_bytes(Taking& taking, const devrun::v1::HomeBytes& bytes);
  bool should_fail();
  void serve();

  std::mutex mutex_;
  std::map<AttemptKey, Kept> kept_;
  std::map<std::string, std::string> bodies_;  // by name
  std::map<AttemptKey, int> under_way_;
  int most_at_once_ = 0;
  int calls_ = 0;
  uint64_t received_ = 0;
  grpc::StatusCode failure_ = grpc::StatusCode::OK;
  uint64_t fail_after_ = 0;
  int failures_ = 0;
  std::atomic<bool> takes_zeros_ = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace devrun::home
