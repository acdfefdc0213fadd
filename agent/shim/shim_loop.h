// The state of a running shim and its loop, spread over one file per subject: shim.cc (loop and end), shim_container.cc,
// shim_streams.cc, shim_agent.cc. Nothing but those includes this.
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "agent/shim/agent_connection.h"
#include "agent/shim/output_log.h"
#include "agent/shim/shim.h"
#include "agent/shim/stdin_buffer.h"

namespace devrun::shim {

using Clock = std::chrono::steady_clock;
inline constexpr auto kNewsInterval = std::chrono::milliseconds(1);
// Of a session's log, that its caller has not read: beyond it the program waits, as with any pipe. A job's own output is
// taken in any case, since nobody need be there for it.
inline constexpr uint64_t kUnreadBytesMax = 64 << 20;
inline constexpr uint64_t kUnreadLookEvery = 1 << 20;
// An init has nothing to do but to answer: if it does not, it is stopped, or was killed in a way that nobody tells.
inline constexpr auto kInitPatience = std::chrono::seconds(10);
inline constexpr int64_t kInitLookEveryUs = 500'000;
// epoll does not count the time of a suspended machine, the lease's clock does.
inline constexpr int64_t kLeaseLookEveryUs = 5'000'000;

enum Tag : uint32_t { kListener, kAgent, kSignals, kGo, kControl, kOut, kErr, kMaster, kIn, kJoin };

Time wall_clock();

class Shim {
 public:
  Shim(ShimOptions options, OutputLog log) : options_(std::move(options)), log_(std::move(log)) {}
  Status run();

 private:
  Status prepare();
  Status launch_container();
  Status start_session();
  void watch_launched();
  void turn();
  void handle(uint32_t tag, uint32_t events);

  void on_go();
  void on_signals();
  void on_init();
  void on_output(UniqueFd& fd, Stream stream);
  void on_accept();
  void lend_control();
  void on_agent(uint32_t events);
  Status on_request(Request&& request);
  void resize(TerminalSize size);
  void drop_agent();

  void watch(int fd, Tag tag, uint32_t events, int operation = EPOLL_CTL_ADD);
  void watch_streams(bool on);
  void hold_back();
  void watch_stdin();
  void kill_container();
  void give_up_on_start();
  void on_session_over();
  void order_init(int32_t order);
  void look_at_lease();
  void look_for_init();
  void end_with(Ending ending);
  bool finished() const {
    return ending_ && (state_.container_pid == 0 || init_reaped_) && drained();
  }
  bool drained() const { return !launched_.out && !launched_.err && !master_; }
  void drain_at_end();
  void finish();
  void tell_news();
  bool has_growth() const {  // of output or of what was taken of stdin, that the agent was not told
    return log_.bytes() != output_told_ || stdin_.taken() != stdin_told_;
  }
  int timeout_us() const;

  ShimOptions options_;
  OutputLog log_;
  bool is_session() const { return !options_.launch.join.empty(); }

  UniqueFd epoll_, listener_, lender_, signals_, go_;
  Launched launched_;
  UniqueFd master_;
  StdinBuffer stdin_;
  bool stdin_wants_write_ = false;
  bool streams_watched_ = true;
  bool held_back_ = false;         // too much of a session's output is unread
  uint64_t next_unread_look_ = 0;  // when the log has that many bytes

  ShimState state_;
  std::optional<Ending> ending_;  // known, though streams may still have to be drained
  bool crun_reaped_ = false;
  bool init_reaped_ = false;
  bool kill_wanted_ = false;
  bool lease_expired_ = false;
  int64_t memory_kills_before_ = 0;  // in the cgroup of the job whose session this is
  bool go_asked_ = false;            // by the agent: the program may follow the setup step
  bool left_without_go_ = false;
  Clock::time_point ended_at_, last_output_at_;
  Clock::time_point asked_init_at_;  // for the session

  std::optional<AgentConnection> agent_;
  bool agent_greeted_ = false;
  bool agent_wants_write_ = false;
  bool state_news_ = false, closed_news_ = false;
  uint64_t output_told_ = 0, stdin_told_ = 0;
  Clock::time_point told_at_;
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(kRecordBytesMax);
};

}  // namespace devrun::shim
