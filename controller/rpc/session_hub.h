// Callers' Exec calls and the Session calls of agents that serve them. Each pair is joined by a SessionRelay, which passes
// messages on, one at a time each way: what is not taken at one end is not read at the other. Nothing is kept here: a
// session's output lies on its node, and a call that broke is made again by offsets.
//
//   caller ──Exec──▶ ┐              ┌ ◀──Session── agent
//                    ├ SessionRelay ┤
//   caller ◀─────────┘              └──────────────▶ agent
//
// A caller waits for its agent; an agent that comes for a call that is over is sent away. Any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class SessionRelay;
using CallerReactor = grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>;
using AgentReactor = grpc::ServerBidiReactor<pb::SessionUp, pb::AttachRequest>;

class SessionHub {
 public:
  SessionHub();
  // Numbers the relay; it is found by that number as long as it lives. Numbers begin anywhere, so that an agent that
  // comes late with one of the controller before this one finds nobody rather than another's caller.
  uint64_t add(const std::shared_ptr<SessionRelay>& relay);
  std::shared_ptr<SessionRelay> find(uint64_t number);
  // The call that an agent has opened; owns itself.
  AgentReactor* agent_call(const std::string& node);
  // Those whose callers are there, oldest first.
  void list(JobId job, pb::ListSessionsReply& reply);

 private:
  std::mutex mutex_;
  uint64_t newest_;
  std::map<uint64_t, std::weak_ptr<SessionRelay>> relays_;
};

class SessionRelay {
 public:
  explicit SessionRelay(CallerReactor& caller) : caller_(&caller) {}

  // Before it is added to the hub.
  struct About {
    JobId job = 0;
    std::string node;  // empty: not known yet
    pb::SessionInfo info;
  };
  void describe(About about);
  About about();

  // ── the caller's end ──
  void say(const pb::AttachState& state);  // while no agent is there
  void close(const grpc::Status& status);  // both ends
  void begin();                            // reads the next request(), unless all is over
  void caller_read(bool done);             // request() has been read, or nothing will be any more
  void caller_wrote(bool done);
  void caller_done();
  bool is_joined();

  // ── the agent's end ──
  Status join(AgentReactor& agent, const std::string& node);
  void agent_read(bool done);
  void agent_wrote(bool done);
  void agent_done();
  pb::SessionUp& up() { return up_; }

 private:
  void write_to_caller();                         // under mutex_, as all of these
  void close_locked(const grpc::Status& status);  // once

  std::mutex mutex_;
  About about_;
  CallerReactor* caller_;  // null when it is done
  AgentReactor* agent_ = nullptr;
  bool was_joined_ = false;
  pb::AttachRequest request_;  // being read from the caller, or written to the agent
  pb::AttachReply reply_;      // being written to the caller
  pb::SessionUp up_;           // being read from the agent, or waiting to be written
  bool request_waits_ = false;
  bool up_waits_ = false;
  std::optional<pb::AttachState> state_;  // waits to be said
  bool writing_ = false;                  // to the caller
  bool ending_ = false;                   // what is being written is the last
  bool closed_ = false;
};

}  // namespace devrun::controller
