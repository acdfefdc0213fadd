// What a restarted controller folds out of its journal is the fold of what was durable. Of the one batch that it died over
// all may be there, or nothing.
#include "controller/core/apply.h"
#include "controller/core/invariants.h"
#include "controller/journal/event_codec.h"
#include "tests/sim/names.h"
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

using controller::Ledger;

// Without when a submission was durable, which its own record cannot know (event.h, TaskEnded::journaled).
Ledger comparable(Ledger ledger) {
  for (auto& [id, job] : ledger.jobs) job.timeline.journaled = {};
  return ledger;
}

std::string difference(const controller::Job& a, const controller::Job& b) {
  for (const auto& [index, task] : b.tasks) {
    const auto it = a.tasks.find(index);
    if (it == a.tasks.end()) return fmt::format("task {} is missing", index);
    if (it->second == task) continue;
    const controller::Task& other = it->second;
    return fmt::format("task {}: attempt {} and {}, {} and {} past, outcome {} and {}, {} ranks{}",
                       index, other.attempt, task.attempt, other.past.size(), task.past.size(),
                       other.outcome.has_value(), task.outcome.has_value(), task.ranks.size(),
                       other.ranks == task.ranks ? "" : " that differ");
  }
  return fmt::format("{} and {} tasks, closed {} and {}{}", a.tasks.size(), b.tasks.size(),
                     a.closed, b.closed, a.spec == b.spec ? "" : ", specs differ");
}

std::string difference(const Ledger& a, const Ledger& b) {
  for (const auto& [id, job] : b.jobs) {
    const controller::Job* other = controller::find_job(a, id);
    if (other == nullptr) return fmt::format("job {} is missing", id);
    if (*other != job) return fmt::format("job {} differs: {}", id, difference(*other, job));
  }
  for (const auto& [name, node] : b.nodes) {
    if (a.nodes.count(name) == 0 || a.nodes.at(name) != node) return "node " + name + " differs";
  }
  return "requests, queue or numbers differ";
}

class Replay final : public Check {
 public:
  void durable(World& world, std::span<const controller::Event> events) override {
    for (const controller::Event& event : events) {
      const Result<controller::Event> read = controller::decode(controller::encode(event));
      if (read && *read == event) continue;
      world.fail("replay", fmt::format("an event is not what was written: {}", event_name(event)));
    }
  }

  void restarted(World& world, const controller::State& state) override {
    const Ledger replayed = comparable(state);
    const std::vector<controller::Event> maybe = std::exchange(world.maybe_durable, {});
    for (const std::string& broken : controller::broken_invariants(state)) {
      world.fail("replay", broken);
    }
    if (replayed == comparable(world.shadow)) return;
    if (!maybe.empty()) {
      Ledger with = world.shadow;
      for (const controller::Event& event : maybe) controller::apply(with, event);
      if (replayed == comparable(with)) {
        world.trace.count("batch durable although its writer died");
        world.became_durable(maybe);
        return;
      }
      world.trace.line("replay: with the batch {}", difference(replayed, comparable(with)));
    }
    world.fail("replay", "the journal's fold is not what was durable: " +
                             difference(replayed, comparable(world.shadow)));
  }
};

}  // namespace

std::unique_ptr<Check> check_replay() {
  return std::make_unique<Replay>();
}

}  // namespace devrun::sim
