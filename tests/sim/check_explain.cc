// Who waits is told why, nobody else is, and what can be checked of it is true: a job that is named has to end first, a
// limit that is named is reached, and nothing is "about to be placed" once the scheduler has had its turn.
#include <charconv>

#include "controller/core/explain.h"
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Explain final : public Check {
 public:
  void stepped(World& world, const controller::State& state, Time now) override {
    if (++turns_ % 8 != 0) return;
    for (const auto& [id, job] : state.jobs) {
      const std::string why = controller::explain(state, job, now);
      const bool waits = controller::next_task(job).has_value();
      if (why.empty() == waits) {
        world.fail("explain", fmt::format("job {} {} and is told '{}'", id,
                                          waits ? "waits" : "does not wait", why));
      }
      if (!why.empty()) look(world, state, job, why);
    }
  }

 private:
  static void look(World& world, const controller::State& state, const controller::Job& job,
                   const std::string& why) {
    if (why.find("about to be placed") != std::string::npos) {
      world.fail("explain", fmt::format("job {} has room and is not placed: {}", job.id, why));
    }
    constexpr std::string_view kFirst = " has to succeed first";
    const size_t end = why.find(kFirst);
    const size_t begin = why.rfind("job ", end);
    if (end != std::string::npos && begin != std::string::npos) {
      JobId id = 0;
      std::from_chars(why.data() + begin + 4, why.data() + end, id);
      const controller::Job* named = controller::find_job(state, id);
      if (named == nullptr || named->outcome) {
        world.fail("explain", fmt::format("job {} waits for no job {}: {}", job.id, id, why));
      }
    }
    if (why.find("as many as it allows") != std::string::npos &&
        job.running_tasks < job.spec.array_running_max) {
      world.fail("explain", fmt::format("job {} may run more tasks: {}", job.id, why));
    }
    if (why.find("no node is connected") != std::string::npos) {
      for (const auto& [name, node] : state.nodes) {
        if (controller::is_connected(state, name) && !node.lost &&
            node.hello.dev_containers == job.spec.dev_container &&
            controller::trouble_of(state, name).empty()) {
          world.fail("explain",
                     fmt::format("{} is connected, and job {} is told: {}", name, job.id, why));
        }
      }
    }
  }

  uint64_t turns_ = 0;
};

}  // namespace

std::unique_ptr<Check> check_explain() {
  return std::make_unique<Explain>();
}

}  // namespace devrun::sim
