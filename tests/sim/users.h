// Those who use the cluster: they submit jobs of all kinds, say the same twice, cancel and signal, and insist until they
// have an answer; and an operator, who gives up nodes that do not come back (and sometimes one that would have).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/core/input.h"
#include "tests/sim/event_queue.h"

namespace devrun::sim {

struct World;

class Users {
 public:
  explicit Users(World& world);
  void begin(Time until);
  // What never ends by itself is cancelled; then nothing more is asked for.
  void wind_up();
  void cancel_all();
  void call_lost(const std::string& node);
  const std::set<std::string>& unanswered() const { return unanswered_; }
  const std::map<JobId, controller::Submit>& answered() const { return answered_; }

 private:
  controller::Submit make_job();
  void shape(JobSpec& spec);
  void submit(const controller::Submit& request, bool counts);
  void submit_now_and_then();
  void meddle_now_and_then();
  void cancel(TaskKey task, int32_t signal);
  void drain(const std::string& node, bool drained);
  void ask_to_drain(const std::string& node, bool drained);
  void change_policy();
  bool cancel_what_is_ending();
  void end_endless(int rounds);
  void ask(const std::string& node);

  World& world_;
  Life life_;
  Time until_;
  int64_t jobs_left_ = 0;
  Duration pause_most_;
  uint64_t requests_ = 0;
  std::set<std::string> unanswered_;     // requests
  std::map<std::string, bool> drained_;  // nodes, as operators want them
  std::map<JobId, controller::Submit> answered_;
};

}  // namespace devrun::sim
