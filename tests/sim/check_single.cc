// Of the attempts of a task at most one lives at any time, over the whole cluster: by the containers that really run. What an
// operator gave up although it lived is theirs to answer for.
#include <set>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Single final : public Check {
 public:
  void began(World& world, const Node& node, const AttemptSpec& spec) override {
    const AttemptKey& key = spec.key;
    if (!begun_.insert(key).second) {
      world.fail("single", folder_name(key) + " is run a second time");
    }
    AttemptKey first = key;
    first.rank = first.attempt = 0;
    for (auto it = world.living.lower_bound(first);
         it != world.living.end() && it->first.task_key() == key.task_key(); ++it) {
      if (it->first.attempt == key.attempt || world.disowned.count(it->first) != 0) continue;
      world.fail("single", fmt::format("{} begins on {} while {} runs on {}", folder_name(key),
                                       node.name(), folder_name(it->first), it->second.node));
    }
  }

 private:
  std::set<AttemptKey> begun_;
};

}  // namespace

std::unique_ptr<Check> check_single() {
  return std::make_unique<Single>();
}

}  // namespace devrun::sim
