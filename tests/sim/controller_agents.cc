// What agents say to the model of the controller (controller.h): agent_service.cc, agent_streams.cc, stream_hub.cc.
#include "common/wire/attempt.h"
#include "tests/sim/controller.h"
#include "tests/sim/world.h"

namespace devrun::sim {

using namespace controller;

namespace {
std::string tell_of(const std::vector<ObservedAttempt>& all) {
  std::string out;
  for (const ObservedAttempt& one : all) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", folder_name(one.key),
                       static_cast<int>(one.phase));
  }
  return out.empty() ? "nothing" : out;
}

// As it comes off the wire.
void pass(std::vector<ObservedAttempt>& all) {
  for (ObservedAttempt& one : all) {
    Result<ObservedAttempt> read = wire::from_proto(wire::to_proto(one));
    CHECK(read.has_value());
    one = std::move(*read);
  }
}
}  // namespace

// Calls are handled by threads of their own: of two that arrive together any may come first.
void Controller::handle(Work work) {
  const Duration late = world_.random.chance(100) ? milliseconds(30) : Duration{300};
  life_.after({world_.random.below(late.us)}, std::move(work));
}

void Controller::on_synchronize(LinkId link, uint64_t call, Synchronized input) {
  if (!is_up()) return;
  pass(input.observed);
  const std::string node = input.hello.name;
  const auto refused = refused_until_.find(node);
  if (refused != refused_until_.end() && world_.queue.now() < refused->second) {
    world_.network.send_down(link, [&world = world_, node, call] {
      if (Agent* agent = world.agent_of(node)) agent->on_call_over(call);
    });
    return;
  }
  handle([this, link, call, node, input = std::move(input)]() mutable {
    input.session = ++sessions_;
    const uint64_t session = sessions_;
    std::set<AttemptKey> observed;
    for (const ObservedAttempt& one : input.observed) observed.insert(one.key);
    world_.trace.line("ctrl  {} synchronizes: session {}, {}", node, session,
                      tell_of(input.observed));
    calls_on_[link].emplace_back(node, session);
    post(std::move(input), [this, node, observed, held = Held{link, call, session, 0, {}}](
                               const Result<Reply>&) { open_session(node, held, observed); });
    // It may have broken before its handler ran.
    if (!world_.network.controller_end_is_open(link)) on_link_closed(link);
  });
}

void Controller::on_report(LinkId link, uint64_t call, Reported input) {
  if (!is_up()) return;
  pass(input.observed);
  const int times = world_.random.chance(world_.doubled_per_thousand) ? 2 : 1;
  if (times == 2) world_.trace.count("fault: report doubled");
  for (int i = 0; i < times; ++i) {
    handle([this, link, call, input, node = input.node] {
      world_.trace.line("ctrl  {} reports {}", node, tell_of(input.observed));
      post(input, [&world = world_, link, call, node](const Result<Reply>&) {
        world.network.send_down(link, [&world, node, call] {
          if (Agent* agent = world.agent_of(node)) agent->on_answer(call, true);
        });
      });
    });
  }
}

void Controller::on_link_closed(LinkId link) {
  if (!is_up()) return;
  const auto it = calls_on_.find(link);
  if (it == calls_on_.end()) return;
  const auto calls = it->second;
  calls_on_.erase(it);
  for (const auto& [node, session] : calls) session_over(node, session);
}

// ── output ─────────────────────────────────────────────────────────────────────────────────────

void Controller::on_stream_start(LinkId link, const AttemptKey& key, uint64_t call,
                                 const std::string& node) {
  if (!is_up()) return;
  queue_.push_back({{}, {}, [this, link, key, call, node] {
                      const Rank* rank = find_rank(state_, key);
                      const bool known = rank != nullptr && rank->node == node;
                      if (known) rewinding_[{key, call}] = false;
                      world_.network.send_down(link, [&world = world_, key, call, node, known,
                                                      from = logs_[key].written] {
                        Agent* agent = world.agent_of(node);
                        if (agent == nullptr) return;
                        if (known) agent->on_stream_from(key, call, from);
                        if (!known) agent->on_stream_refused(key, call);
                      });
                    }});
  wake();
}

void Controller::on_stream_chunk(LinkId link, const AttemptKey& key, uint64_t call, int64_t offset,
                                 int64_t bytes) {
  if (!is_up()) return;
  const auto open = rewinding_.find({key, call});
  if (open == rewinding_.end()) return;
  Log& log = logs_[key];
  if (offset == log.written) {
    log.written += bytes;
    open->second = false;
    world_.checks.output_came(world_, key);
    look_for_stored(key);
    return;
  }
  if (open->second) return;
  open->second = true;
  const Rank* rank = find_rank(state_, key);
  if (rank == nullptr) return;
  world_.network.send_down(link,
                           [&world = world_, node = rank->node, key, call, from = log.written] {
                             if (Agent* agent = world.agent_of(node))
                               agent->on_stream_from(key, call, from);
                           });
}

void Controller::on_stream_end(LinkId link, const AttemptKey& key, uint64_t call) {
  if (!is_up() || rewinding_.erase({key, call}) == 0) return;
  const Rank* rank = find_rank(state_, key);
  if (rank == nullptr) return;
  world_.network.send_down(link, [&world = world_, node = rank->node, key, call] {
    if (Agent* agent = world.agent_of(node)) agent->on_stream_done(key, call);
  });
}

void Controller::expect_output(const AttemptKey& key, int64_t bytes) {
  expecting_[key] = bytes;
  look_for_stored(key);
}

void Controller::forget_output(const AttemptKey& key) {
  if (expecting_.erase(key) != 0) world_.trace.count("output that will not come");
}

void Controller::look_for_stored(const AttemptKey& key) {
  const auto it = expecting_.find(key);
  if (it == expecting_.end() || logs_[key].written < it->second) return;
  expecting_.erase(it);
  life_.after(world_.random.spread({100}, seconds(1)), [this, key] {
    Log& log = logs_[key];
    log.synced = log.written;
    post(OutputStored{key, log.synced});
  });
}

int64_t Controller::output_stored(const AttemptKey& key) const {
  const auto it = logs_.find(key);
  return it == logs_.end() ? 0 : it->second.synced;
}

}  // namespace devrun::sim
