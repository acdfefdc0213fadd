// A machine that runs attempts: its disk with the attempts' folders, the shims and containers, which outlive the agent,
// and the agent's process. Models agent/sandbox (folder, spec, exit record; find, kill, release) and agent/shim (start,
// setup and go, lease, exit record before output is synced) to the depth that agent/core can tell apart.
//
// What programs do is said by their argv: {"run", "short" | "long" | "forever", failures in a thousand}.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/core/reconcile.h"
#include "common/model/node.h"
#include "tests/sim/clocks.h"
#include "tests/sim/event_queue.h"

namespace devrun::sim {

struct World;
class Agent;

// What an agent hears of a shim that it is linked to (agent/shim/shim_link.h).
using ShimNews = std::function<void(const agent::Input&)>;

struct Shim {
  bool alive = false;
  bool container = false;   // its processes live
  bool in_program = false;  // past the setup step
  bool go = false;
  bool dying = false;  // killed, and not gone yet
  bool stays = false;  // its program has ended well, and rank 0 may still want to reach it
  bool first_rank_ended = false;
  Time lease_until;  // boot clock; 0: never
  bool lease_watched = false;
  bool lease_expired = false;
  agent::ShimChanged state;  // as it tells it
  ShimNews linked;           // none: no agent listens
};

// attempts/KEY on the node's disk.
struct Folder {
  AttemptSpec spec;
  agent::Asked asked;
  Shim shim;
  bool began = false;            // there is a shim, or has been
  bool left = false;             // what it wrote is waited for no more (agent/home's mark)
  std::optional<Ending> exit;    // the record
  bool exit_is_durable = false;  // and the output with it
  int64_t output_bytes = 0;
  int64_t output_durable = 0;  // of them
  Timeline timeline;
};

class Node {
 public:
  Node(World& world, NodeHello hello, Clocks clocks);
  ~Node();

  const std::string& name() const { return hello.name; }
  Time wall() const;
  Time boot() const;

  // ── faults ──
  void start_agent();
  void kill_agent();
  void lose_power();  // until power_up()
  void power_up();
  void kill_shim(const AttemptKey& key);
  bool is_up() const { return powered_; }
  bool has_agent() const { return agent_ != nullptr; }
  Agent* agent() { return agent_.get(); }

  // ── what its agent may ask of the machine (agent/sandbox/sandboxes.h) ──
  // The folder is the fence: false if it has been here before.
  bool make_folder(const AttemptSpec& spec);
  void start_shim(const AttemptKey& key);
  void start_container(const AttemptKey& key);
  void kill_container(const AttemptKey& key, Duration within);
  void deliver(const AttemptKey& key, int32_t signal);
  void say_go(const AttemptKey& key);
  void say_first_rank_ended(const AttemptKey& key);
  void renew_lease(const AttemptKey& key, Time until);
  void fail_start(const AttemptKey& key, const Ending& ending);
  agent::Found found(const AttemptKey& key) const;
  // Kills what is left, then removes the folder.
  void release(const AttemptKey& key);

  NodeHello hello;
  Clocks clocks;
  std::map<AttemptKey, Folder> disk;
  bool files_in_trouble = false;

 private:
  void run_program(const AttemptKey& key);
  void write_output(const AttemptKey& key, int64_t bytes);
  void tell(const Folder& folder);
  void end_container(const AttemptKey& key, Ending ending);
  void end_shim(const AttemptKey& key);
  void container_is_gone(Folder& folder);
  void watch_lease(const AttemptKey& key);

  World& world_;
  bool powered_ = true;
  uint64_t boots_ = 1;
  Life boot_;  // of all that runs on the machine but the agent
  std::unique_ptr<Agent> agent_;
};

}  // namespace devrun::sim
