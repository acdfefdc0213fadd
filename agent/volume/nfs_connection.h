// One connection to an NFS server, with a thread of its own that alone touches libnfs. Reads are started from any
// thread and answered on the connection's; a lost connection is made anew with back-off, to the next server if there
// is one, and what was under way is sent again, so who waits never sees it.
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
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "agent/volume/nfs_compound.h"
#include "agent/volume/nfs_servers.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

// A range of a file of the export, at most kNfsReadBytesMax.
struct NfsRead {
  std::string folder;  // relative to the export
  std::string name;
  uint64_t offset = 0;
  uint32_t count = 0;
};

class NfsConnection {
 public:
  struct Options {
    size_t in_flight_max = 64;
    std::chrono::milliseconds connect_time_max{7'000};
    std::chrono::milliseconds silence_max{30'000};
    std::chrono::milliseconds silence_max_of_several{6'000};  // with another server to turn to
    std::chrono::milliseconds pause_max{1'000};
    std::chrono::milliseconds look_at_preferred_every{5'000};  // while another one is in use
    std::chrono::milliseconds away_until_told{3'000};          // then a line in the log
  };
  using Done = std::function<void(Result<NfsAnswer>)>;
  struct Call;
  using Ticket = std::shared_ptr<Call>;

  // `servers` outlives it.
  static Result<std::unique_ptr<NfsConnection>> open(NfsServers& servers, Options options);
  ~NfsConnection();
  NfsConnection(const NfsConnection&) = delete;
  NfsConnection& operator=(const NfsConnection&) = delete;

  // `done` is called once, on the connection's thread and without locks, with the server's answer whatever its status
  // (but those that only ask to try again); kIo for what no server of NFSv4 says; kCancelled at the end.
  Ticket start(NfsRead read, Done done);
  // Its answer is of no use any more: it need not be sent (again).
  void abandon(const Ticket& ticket);
  // What is under way ends with kCancelled, and so does all that is started later.
  void close();

  size_t load() const { return load_; }  // calls not answered yet
  uint64_t calls() const { return calls_; }
  uint64_t connects() const { return connects_; }
  uint64_t retries() const { return retries_; }
  std::string last_error() const;

 private:
  using Clock = std::chrono::steady_clock;
  // What libnfs carries for us while a call is under way.
  struct Sent {
    NfsConnection* connection;
    Ticket call;
    std::string start;  // the handle that it went out with
  };
  struct DestroyContext {
    void operator()(rpc_context* rpc) const;
  };
  using Context = std::unique_ptr<rpc_context, DestroyContext>;

  NfsConnection(NfsServers& servers, Options options, UniqueFd wake);
  void run(const std::stop_token& stop);
  Context connect(const std::stop_token& stop);
  void serve(const std::stop_token& stop, rpc_context* rpc);
  bool send_waiting(rpc_context* rpc);
  Ticket next_waiting();
  Result<NfsRequest> request_for(const NfsRead& read) const;
  // False: the connection is of no more use.
  bool wait_and_service(rpc_context* rpc, std::chrono::milliseconds time_max);
  std::chrono::milliseconds time_to_wait();
  void pause(const std::stop_token& stop, std::chrono::milliseconds time);
  void tell_if_away();
  void wake();
  void lost(std::string why);
  static void on_reply(rpc_context* rpc, int status, void* data, void* private_data);
  void answered(const Sent& sent, NfsAnswer answer);
  void again(const Ticket& call, std::chrono::milliseconds pause);
  void finish(const Ticket& call, Result<NfsAnswer> answer);

  NfsServers& servers_;
  const Options options_;
  const UniqueFd wake_;

  mutable std::mutex mutex_;  // guards these
  std::condition_variable_any stopping_;
  std::deque<Ticket> waiting_;
  std::deque<Ticket> delayed_;  // the server asked for patience
  std::string last_error_ = "not connected yet";
  bool stopped_ = false;

  // Of the thread alone.
  size_t server_ = 0;
  size_t in_flight_ = 0;
  Clock::time_point progress_;  // the last answer, or when the first of those under way was sent

  std::atomic<size_t> load_{0};
  std::atomic<uint64_t> calls_{0};
  std::atomic<uint64_t> connects_{0};
  std::atomic<uint64_t> retries_{0};
  std::jthread thread_;
};

}  // namespace devrun::volume
