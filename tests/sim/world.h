// One simulated cluster under one seed: machines, network, controller, users, faults, checkers. `run` plays two phases: one
// with faults, then one without, in which everything must end that can.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/core/event.h"
#include "controller/core/state.h"
#include "tests/sim/checks.h"
#include "tests/sim/controller.h"
#include "tests/sim/disk.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/network.h"
#include "tests/sim/node.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"
#include "tests/sim/users.h"

namespace devrun::sim {

// A container whose processes live.
struct Living {
  std::string node;
  AttemptSpec spec;
};

struct World {
  World(uint64_t seed, bool tell);
  ~World();

  void run();
  // The first one counts.
  void fail(const std::string& checker, const std::string& what);
  bool failed() const { return !failure.empty(); }

  void container_began(const Node& node, const AttemptSpec& spec);
  void container_ended(const Node& node, const AttemptSpec& spec);
  void became_durable(const std::vector<controller::Event>& events);
  Agent* agent_of(const std::string& node);
  Node& any_node();
  void some_policy();

  Random random;
  Random disk_random;  // what SQLite draws changes nothing else
  EventQueue queue;
  Trace trace;
  Disk disk;
  Network network;
  Checks checks;
  controller::Policy policy;
  int doubled_per_thousand = 0;
  std::map<std::string, std::unique_ptr<Node>> nodes;
  Controller controller;
  Users users;
  Faults faults;

  // ── what a bystander knows ──
  std::map<AttemptKey, Living> living;
  controller::Ledger shadow;                     // the fold of what is durable
  std::vector<controller::Event> maybe_durable;  // the controller died while it wrote these
  std::set<std::string> called_lost;             // nodes that an operator has given up
  std::set<AttemptKey> disowned;  // what lived there, although it was lost for the controller
  std::string failed_checker;
  std::string failure;

 private:
  void make_nodes();
  void play_until(Time end);
  bool play_until_settled();
  std::string what_is_left();
  void tell_of_agents();
};

// Ends that are not reached in this much virtual time never are.
inline constexpr Duration kSettlesWithin = seconds(2 * 3600);

}  // namespace devrun::sim
