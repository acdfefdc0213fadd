// When something is due of what runs with a time limit: the signal before it, or the limit itself. One entry for each
// rank that runs, so that a second in which nothing is due costs nothing, however much runs. Follows from the ledger.
// Private to controller/core.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "controller/core/event.h"
#include "controller/core/ledger.h"

namespace devrun::controller {

class Deadlines {
 public:
  // Everything anew.
  void begin(const Ledger& ledger);
  // After the event was applied to the ledger.
  void note(const Ledger& ledger, const Event& event);
  // What is due by then, in order, each once until it is told of something else.
  std::vector<AttemptKey> take_due(Time now);

 private:
  void look_at(const Ledger& ledger, const AttemptKey& key);
  void forget(const AttemptKey& key);
  void forget_task(TaskKey task);

  std::map<AttemptKey, Time> at_;
  std::set<std::pair<Time, AttemptKey>> order_;
};

}  // namespace devrun::controller
