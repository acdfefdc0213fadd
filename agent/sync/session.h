// One session of an attempt (agent/sandbox/session.h) and the call of its caller: what the controller's Attach is to a
// job's own program, since a session's output goes nowhere but to its caller.
//
//   shim ──news──▶ Session ──replies──▶ (controller passes on) ──▶ caller
//        ◀─stdin, signals─┘ ◀─requests──
//
// Output is read from the session's log by offset, at most kSessionWindowBytes beyond what the caller has read; what it
// has read is given back to the disk. A second call takes over from the first and goes on where it says.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/shim/shim_link.h"
#include "common/runtime/fd.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

inline constexpr uint64_t kSessionWindowBytes = 4 << 20;

class Session {
 public:
  Session(devrun::v1::Agent::Stub& stub, AttemptKey key, std::string id, std::string folder);
  ~Session();  // ends call and link; the shim goes on

  const AttemptKey& key() const { return key_; }
  const std::string& id() const { return id_; }
  const std::string& folder() const { return folder_; }

  // What the shim's link is to be made with. `gone` is the owner's to set.
  shim::Handlers handlers();
  void set_link(std::unique_ptr<shim::ShimLink> link);
  // From the exit record, or as far as is known without one.
  void end_with(const Ending& ending, uint64_t output_bytes);
  // Opens the call of that number to the controller, unless that is under way: an order may come twice.
  void serve(uint64_t call, uint64_t output_from);

  bool ended();
  bool is_served();         // there is a call
  bool wants_to_hang_up();  // the caller has left for good
  void hang_up();           // HUP to its program
  void kill();              // KILL to all of it

 private:
  class Call;
  void pump();                                       // under mutex_
  bool choose();                                     // likewise: fills call_->up
  bool fill_output(devrun::v1::OutputChunk& chunk);  // likewise
  void on_state(const shim::ShimState& state);
  void on_request(const devrun::v1::AttachRequest& request);
  void to_shim(const devrun::v1::AttachRequest& request);
  void output_read(uint64_t offset);
  void drop_call();

  devrun::v1::Agent::Stub& stub_;
  const AttemptKey key_;
  const std::string id_;
  const std::string folder_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Call> call_;
  UniqueFd output_;
  uint64_t size_ = 0;      // of the log, as far as is known
  uint64_t released_ = 0;  // of it, given back to the disk
  Time started_;
  std::optional<Ending> ending_;
  Time ended_at_;
  uint64_t stdin_taken_ = 0;
  bool stdin_closed_ = false;
  bool hang_up_wanted_ = false;

  std::mutex link_mutex_;  // never held together with mutex_: a write to the shim may block
  std::unique_ptr<shim::ShimLink> link_;
};

}  // namespace devrun::agent
