// One connection to an NFS server, with a thread of its own that alone touches libnfs. Callers from
// any thread wait until their call is answered or their deadline is past; a lost connection is made
// anew with back-off and what was under way is sent again, so callers without a deadline never see
// it.
//
// libnfs 4.0.0: its own reconnection returns wrong bytes with success, so it stays off and the
// context is destroyed after any error; its timeouts are not used either. Calls are reads, so
// sending one twice is harmless.
//
//   away ──connected──▶ serving ──error, or no answer for silence_max──▶ away (after a pause)
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/volume/nfs_address.h"
#include "agent/volume/nfs_compound.h"
#include "agent/volume/object_store.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

class NfsConnection {
 public:
  struct Options {
    size_t in_flight_max = 64;
    std::chrono::milliseconds connect_time_max{7'000};
    std::chrono::milliseconds silence_max{30'000};
    std::chrono::milliseconds pause_max{1'000};
    std::chrono::milliseconds away_until_told{3'000};  // then a line in the log
  };

  static Result<std::unique_ptr<NfsConnection>> open(NfsAddress address, Options options);
  ~NfsConnection();
  NfsConnection(const NfsConnection&) = delete;
  NfsConnection& operator=(const NfsConnection&) = delete;

  // The server's answer, whatever its status; kUnavailable after the deadline; kIo for what no
  // server of NFSv4 says.
  Result<NfsAnswer> perform(NfsRequest request, Deadline deadline);

  uint64_t calls() const { return calls_; }
  uint64_t connects() const { return connects_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Call {
    NfsRequest request;
    std::condition_variable done;
    std::optional<Result<NfsAnswer>> answer;
    bool abandoned = false;
    int refusals = 0;
  };
  // What libnfs carries for us while a call is under way.
  struct Sent {
    NfsConnection* connection;
    std::shared_ptr<Call> call;
  };
  struct DestroyContext {
    void operator()(rpc_context* rpc) const;
  };
  using Context = std::unique_ptr<rpc_context, DestroyContext>;

  NfsConnection(NfsAddress address, Options options, UniqueFd wake);
  void run(const std::stop_token& stop);
  Context connect(const std::stop_token& stop);
  void serve(const std::stop_token& stop, rpc_context* rpc);
  bool send_waiting(rpc_context* rpc);
  // False: the connection is of no more use.
  bool wait_and_service(rpc_context* rpc, std::chrono::milliseconds time_max);
  void pause(const std::stop_token& stop, std::chrono::milliseconds time);
  void tell_if_away();
  void wake();
  void lost(std::string why);
  static void on_reply(rpc_context* rpc, int status, void* data, void* private_data);
  void finish(const std::shared_ptr<Call>& call, Result<NfsAnswer> answer);

  const NfsAddress address_;
  const Options options_;
  const UniqueFd wake_;

  std::mutex mutex_;  // guards these, and all Calls
  std::condition_variable_any stopping_;
  std::deque<std::shared_ptr<Call>> waiting_;
  std::string last_error_ = "not connected yet";
  bool stopped_ = false;

  // Of the thread alone.
  size_t in_flight_ = 0;
  Clock::time_point progress_;
  Clock::time_point away_since_;
  bool away_told_ = false;

  std::atomic<uint64_t> calls_{0};
  std::atomic<uint64_t> connects_{0};
  std::jthread thread_;
};

}  // namespace devrun::volume
