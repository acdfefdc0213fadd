// What must hold, whatever happens: one checker a file (check_*.cc), told of everything that a bystander who sees all
// machines at once could see. A checker that finds something calls World::fail with its name.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "controller/core/step.h"
#include "controller/core/view.h"

namespace devrun::sim {

struct World;
class Node;
struct Folder;

class Check {
 public:
  virtual ~Check() = default;
  // The processes of an attempt's container really begin or end.
  virtual void began(World&, const Node&, const AttemptSpec&) {}
  virtual void ended(World&, const Node&, const AttemptSpec&) {}
  // A shim ends a container since its lease is over.
  virtual void lease_ended(World&, const Node&, const Folder&) {}
  // A node removes all that it has of an attempt.
  virtual void cleaned(World&, const Node&, const Folder&) {}
  // More of an attempt's output has come to the controller.
  virtual void output_came(World&, const AttemptKey&) {}
  // A controller has these in its journal.
  virtual void durable(World&, std::span<const controller::Event>) {}
  // A batch is over: events durable, effects performed.
  virtual void stepped(World&, const controller::State&, Time) {}
  // What watchers of a task are shown.
  virtual void published(World&, TaskKey, const controller::TaskView&) {}
  // A user has the answer to a request.
  virtual void answered(World&, const controller::Submit&, JobId) {}
  virtual void cancel_answered(World&, JobId) {}
  // A controller has replayed its journal.
  virtual void restarted(World&, const controller::State&) {}
  // All that can end has ended, nothing is under way.
  virtual void finished(World&) {}
};

// Each of them told of everything.
class Checks {
 public:
  Checks();
  void began(World& w, const Node& n, const AttemptSpec& s) { each(&Check::began, w, n, s); }
  void ended(World& w, const Node& n, const AttemptSpec& s) { each(&Check::ended, w, n, s); }
  void lease_ended(World& w, const Node& n, const Folder& f) { each(&Check::lease_ended, w, n, f); }
  void cleaned(World& w, const Node& n, const Folder& f) { each(&Check::cleaned, w, n, f); }
  void output_came(World& w, const AttemptKey& key) { each(&Check::output_came, w, key); }
  void durable(World& w, std::span<const controller::Event> e) { each(&Check::durable, w, e); }
  void stepped(World& w, const controller::State& s, Time now) { each(&Check::stepped, w, s, now); }
  void published(World& w, TaskKey t, const controller::TaskView& v) {
    each(&Check::published, w, t, v);
  }
  void answered(World& w, const controller::Submit& s, JobId j) { each(&Check::answered, w, s, j); }
  void cancel_answered(World& w, JobId j) { each(&Check::cancel_answered, w, j); }
  void restarted(World& w, const controller::State& s) { each(&Check::restarted, w, s); }
  void finished(World& w) { each(&Check::finished, w); }

 private:
  template <typename Hook, typename... Args>
  void each(Hook hook, Args&&... args) {
    for (const auto& check : all_) ((*check).*hook)(args...);
  }
  std::vector<std::unique_ptr<Check>> all_;
};

// check_NAME.cc
std::unique_ptr<Check> check_room();      // no node runs more than it has
std::unique_ptr<Check> check_single();    // of the attempts of a task at most one lives, anywhere
std::unique_ptr<Check> check_gang();      // all ranks or none, on a node each
std::unique_ptr<Check> check_array();     // no more tasks at once than the array allows
std::unique_ptr<Check> check_order();     // nothing begins before what it waits for has succeeded
std::unique_ptr<Check> check_final();     // an outcome is final, and all see the same
std::unique_ptr<Check> check_replay();    // the journal's fold is the state
std::unique_ptr<Check> check_durable();   // nothing is said or done that a crash could unsay
std::unique_ptr<Check> check_requests();  // one request, one job
std::unique_ptr<Check>
check_output();  // none is forgotten before it is stored, nor waited for in vain
std::unique_ptr<Check> check_leases();   // a lease ends only where the controller was silent
std::unique_ptr<Check> check_limits();   // a time limit ends what has run for so long, on any clock
std::unique_ptr<Check> check_explain();  // who waits has a reason, and it is true
std::unique_ptr<Check> check_leaks();    // in the end nothing is left

}  // namespace devrun::sim
