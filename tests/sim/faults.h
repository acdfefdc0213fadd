// What goes wrong, when. Each seed has some kinds of faults and not others, so that none hides behind another.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/sim/event_queue.h"

namespace devrun::sim {

struct World;

class Faults {
 public:
  explicit Faults(World& world);
  void begin(Time until);
  // Everything works from now on; what does not come back is given up.
  void end();

 private:
  struct Kind {
    const char* name;
    std::function<void()> happen;
  };
  void now_and_then();
  void of_controller();
  void of_nodes();
  void of_network();
  Duration outage();

  World& world_;
  Life life_;
  Time until_;
  Duration pause_most_;
  std::vector<Kind> kinds_;
  std::vector<std::string> gone_;  // nodes that will not come back
};

}  // namespace devrun::sim
