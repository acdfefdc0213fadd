// A real gRPC server that speaks the Agent service. Tests push desired states and look at what has come up.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/model/attempt.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

class TestController final : public devrun::v1::Agent::Service {
 public:
  // Port 0: any.
  explicit TestController(int port = 0);
  ~TestController();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  // ── what to say ──
  void desire(const AttemptSpec& spec);
  void stop(const AttemptKey& key, EndCause cause = EndCause::kCancelled);
  void release(const AttemptKey& key);
  void send(const AttemptKey& key, const devrun::v1::StreamsDown& down);
  void refuse_reports(int times);
  void refuse_reports_about(const AttemptKey& key);  // for good, as if they could not be read
  // Takes what has been stored of an earlier controller's life.
  void remember(const TestController& other);

  // ── what came up ──
  std::vector<devrun::v1::SynchronizeRequest> hellos();
  std::map<AttemptKey, ObservedAttempt> reported();
  std::string trouble();  // of the node, as reported last
  struct Log {
    std::string bytes;
    bool ended = false;
    uint64_t stdin_taken = 0;
    bool stdin_closed = false;
    int opened = 0;
  };
  Log log(const AttemptKey& key);
  bool wait_ended(const AttemptKey& key);

  grpc::Status Synchronize(grpc::ServerContext*, const devrun::v1::SynchronizeRequest*,
                           grpc::ServerWriter<devrun::v1::DesiredState>*) override;
  grpc::Status Report(grpc::ServerContext*, const devrun::v1::ReportRequest*,
                      devrun::v1::ReportReply*) override;
  grpc::Status Streams(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<devrun::v1::StreamsDown, devrun::v1::StreamsUp>*) override;

 private:
  devrun::v1::DesiredState whole() const;
  void push(devrun::v1::DesiredState message);
  void take(const ObservedAttempt& observed);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false;
  std::map<AttemptKey, AttemptSpec> specs_;
  std::map<AttemptKey, EndCause> stopped_;
  uint64_t session_ = 0;
  std::deque<devrun::v1::DesiredState> news_;
  std::vector<devrun::v1::SynchronizeRequest> hellos_;
  std::map<AttemptKey, ObservedAttempt> reported_;
  std::string trouble_;
  int refuse_reports_ = 0;
  std::optional<AttemptKey> refuse_about_;
  std::map<AttemptKey, Log> logs_;
  std::map<AttemptKey, grpc::ServerReaderWriter<devrun::v1::StreamsDown, devrun::v1::StreamsUp>*>
      streams_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace devrun::agent
