// Watch calls: each has a place in the table of rows (watch_table.h) and is sent what is newer whenever it has written what
// it was sent before. All but the gRPC reactions run on the core's thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "controller/metrics/sample_book.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/watch_table.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::controller {

inline constexpr size_t kWatchCallsMax = 256;
inline constexpr size_t kWatchCallsOfUserMax = 32;  // so that nobody takes them from the others

class WatchCall final : public grpc::ServerWriteReactor<pb::WatchUpdate> {
 public:
  // `ready` is called, on some thread, when there was more to send than could be.
  WatchCall(const pb::WatchRequest& request, std::function<void()> ready)
      : request_(request), ready_(std::move(ready)) {}
  void hold(std::shared_ptr<WatchCall> self) { self_ = std::move(self); }

  void begin(const WatchTable& table, Who who);
  // Sends what is newer, unless it is still writing: then `ready` will be called.
  void pump(const WatchTable& table, const SampleBook& samples, Time now);
  void close(const grpc::Status& status);
  const std::string& user() const { return who_.user; }  // after begin()

  void OnWriteDone(bool done) override;
  void OnCancel() override { close({grpc::StatusCode::CANCELLED, "the watcher has gone"}); }
  void OnDone() override { self_.reset(); }

 private:
  bool may_write();
  bool add_loads(const WatchTable& table, const SampleBook& samples, pb::WatchUpdate& update);

  const pb::WatchRequest request_;
  const std::function<void()> ready_;
  Who who_;
  WatchTable::Place place_;
  uint64_t samples_seen_ = 0;

  std::shared_ptr<WatchCall> self_;  // until OnDone
  std::mutex mutex_;
  pb::WatchUpdate update_;  // being written
  bool writing_ = false;
  bool missed_ = false;  // somebody wanted to send meanwhile
  bool finished_ = false;
};

// Core's thread.
class Watches {
 public:
  Watches(std::string epoch, const SampleBook& samples)
      : table_(std::move(epoch)), samples_(samples) {}

  Status add(const State& state, Time now, std::shared_ptr<WatchCall> call, Who who);
  void jobs_changed(const State& state, Time now, const std::set<JobId>& jobs);
  void ticked(const State& state, Time now);
  // What is due to calls that have been written.
  void pump(const State& state, Time now);

 private:
  std::vector<std::shared_ptr<WatchCall>> alive();

  WatchTable table_;
  const SampleBook& samples_;
  std::vector<std::weak_ptr<WatchCall>> calls_;
};

}  // namespace devrun::controller
