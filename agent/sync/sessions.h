// The sessions of this node's attempts: started when the controller asks for one, found again after a restart, hung up
// when nobody has been there for a while, their files removed some time after their end. One loop thread does all that may
// block; the streams themselves touch no loop (session.h).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/sandbox/sandboxes.h"
#include "agent/sync/loop.h"
#include "agent/sync/session.h"

namespace devrun::agent {

// Counted while the controller is connected: without it nobody can come back.
inline constexpr Duration kSessionAloneMax = seconds(30);
inline constexpr Duration kHangUpGrace = seconds(5);  // from HUP to KILL
inline constexpr Duration kEndedSessionKept = seconds(60);
inline constexpr Duration kSessionsEndPatience = seconds(2);  // for callers to hear of an end

class Sessions {
 public:
  using ConnectShim = std::function<Result<std::unique_ptr<shim::ShimLink>>(
      const std::string& folder, shim::Handlers)>;

  Sessions(devrun::v1::Agent::Stub& stub, sandbox::Sandboxes& sandboxes, ConnectShim connect);
  ~Sessions();

  // Finds those on disk, then takes orders.
  void begin();
  void stop();  // their programs go on
  // Any thread, all of these.
  void serve(const devrun::v1::SessionOrder& order);
  void controller_connected(bool yes) { connected_ = yes; }
  // Of an attempt that has ended and is to be released: `done` (on the loop's thread) once callers have heard the end.
  void end(const AttemptKey& key, std::function<void()> done);

 private:
  using Name = std::pair<AttemptKey, std::string>;
  struct Kept {
    std::unique_ptr<Session> session;
    Duration alone;          // without a caller
    Duration hung_up_since;  // with hung_up
    bool hung_up = false;
    bool killed = false;
  };
  class Refusal;

  Status open(const AttemptKey& key, const devrun::v1::SessionOrder& order);
  void keep(const AttemptKey& key, const std::string& id);
  void link(Session& session);
  void on_gone(const Name& name);
  void refuse(uint64_t call, const Error& error);
  void tick();
  bool is_over(const Name& name, Kept& kept);  // true: forget it
  void end_when_heard(const AttemptKey& key, Duration waited, const std::function<void()>& done);

  devrun::v1::Agent::Stub& stub_;
  sandbox::Sandboxes& sandboxes_;
  const ConnectShim connect_;
  std::atomic<bool> connected_ = false;
  Loop loop_;
  std::map<Name, Kept> sessions_;
  std::vector<std::unique_ptr<Refusal>> refusals_;
};

}  // namespace devrun::agent
