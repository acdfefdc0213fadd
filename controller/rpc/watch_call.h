// Watch calls: rows of jobs and nodes as they are, then those that have changed. Each call remembers a fingerprint of
// every row that it has sent, so that it may be asked about too many. All but the gRPC reactions run on the core's thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "controller/rpc/core_loop.h"
#include "controller/rpc/identity.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kWatchUpdatesMax = 256;  // that a reader has not taken
inline constexpr size_t kWatchCallsMax = 256;

class WatchCall final : public grpc::ServerWriteReactor<pb::WatchUpdate> {
 public:
  explicit WatchCall(bool all) : all_(all) {}
  void hold(std::shared_ptr<WatchCall> self) { self_ = std::move(self); }

  void begin(const State& state, Time now, Who who);
  void jobs_changed(const State& state, Time now, const std::set<JobId>& jobs);
  void ticked(const State& state, Time now);
  void close(const grpc::Status& status);

  void OnWriteDone(bool done) override;
  void OnCancel() override { close({grpc::StatusCode::CANCELLED, "the watcher has gone"}); }
  void OnDone() override { self_.reset(); }

 private:
  void add_job(pb::WatchUpdate& update, const State& state, const Job& job, Time now);
  void add_nodes(pb::WatchUpdate& update, const State& state, Time now);
  void send(pb::WatchUpdate update, Time now);
  void pump();  // under mutex_

  const bool all_;
  Who who_;
  std::map<JobId, size_t> jobs_sent_;  // fingerprints
  std::map<std::string, size_t> nodes_sent_;
  uint64_t sequence_ = 0;

  std::shared_ptr<WatchCall> self_;  // until OnDone
  std::mutex mutex_;
  std::deque<pb::WatchUpdate> queue_;
  bool writing_ = false;
  bool finished_ = false;
};

// Core's thread.
class Watches {
 public:
  Status add(std::shared_ptr<WatchCall> call);
  void jobs_changed(const State& state, Time now, const std::set<JobId>& jobs);
  void ticked(const State& state, Time now);

 private:
  std::vector<std::shared_ptr<WatchCall>> alive();
  std::vector<std::weak_ptr<WatchCall>> calls_;
};

}  // namespace devrun::controller
