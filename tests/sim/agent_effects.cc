// The hands of the model of the agent (agent.h): what agent/sync/agent.cc does for each effect of the core, and the
// upward half of agent/sync/streams.cc.
#include "tests/sim/agent.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace devrun::sim {

void Agent::link(const AttemptKey& key) {
  Runner& runner = runners_[key];
  runner.linked = false;
  const auto it = node_.disk.find(key);
  if (it == node_.disk.end() || !it->second.shim.alive || world_.random.chance(20)) {
    feed(agent::LinkFailed{key});
    return;
  }
  Shim& shim = it->second.shim;
  shim.linked = [hear = life_.bound(std::function<void(const agent::Input&)>(
                     [this, key](const agent::Input& input) {
                       if (const auto* state = std::get_if<agent::ShimChanged>(&input)) {
                         Stream& stream = runners_[key].stream;
                         stream.size = std::max(stream.size, state->output_bytes);
                         pump(key);
                       }
                       if (std::holds_alternative<agent::ShimGone>(input))
                         runners_[key].linked = false;
                       feed(input);
                     }))](const agent::Input& input) { hear(input); };
  runner.linked = true;
  const agent::ShimChanged now = shim.state;
  if (world_.random.chance(500)) {
    feed(now);
    feed(agent::Linked{key});
  } else {
    feed(agent::Linked{key});
    feed(now);
  }
}

// Folder, set-up, shim, go, link: the process may die between any two.
void Agent::perform(const agent::StartAttempt& effect) {
  AttemptSpec spec = effect.spec;
  const AttemptKey key = spec.key;
  runners_[key].lease = spec.lease;
  if (spec.lease.us != 0) spec.lease_until = answered_ + spec.lease;
  Random& random = world_.random;
  const Duration until_folder{random.below(2'000)};
  const Duration set_up_takes = random.spread(milliseconds(2), seconds(4));
  work(key, until_folder, [this, spec, key] {
    if (node_.make_folder(spec)) return;
    // What follows of this work does nothing; the answer is known.
    runners_[key].busy_until = world_.queue.now();
    feed(agent::StartFailed{key, {Code::kExists, "it has been on this node", {}}});
  });
  // Seldom the store is away, and the set-up waits for it; shorter than any lease, since nobody renews it meanwhile.
  const int64_t waits = random.chance(20) ? random.between(1, 12) : 0;
  work(key, set_up_takes, [this, key, waits] { set_up(key, waits); });
}

void Agent::set_up(const AttemptKey& key, int64_t waits_left) {
  const auto it = node_.disk.find(key);
  const bool mine = it != node_.disk.end() && !it->second.began && !it->second.exit;
  if (!mine) return;
  const bool gives_up = waits_left > 0 && runners_[key].abandoned;
  if (waits_left > 0 && !gives_up) {
    world_.trace.count("set-up waits for the store");
    feed(agent::StartWaits{key, "the store does not answer"});
    work(key, seconds(1), [this, key, waits_left] { set_up(key, waits_left - 1); });
    return;
  }
  if (gives_up || world_.random.chance(30)) {
    node_.fail_start(key, {EndCause::kNotStarted, 125, "cannot mount the snapshot", ""});
    feed(agent::StartFailed{key, {Code::kIo, "cannot mount the snapshot", {}}});
    return;
  }
  node_.start_shim(key);
  Timeline mounted;
  mounted.mounted = node_.wall();
  feed(agent::Progressed{key, mounted});
  work(key, milliseconds(3), [this, key] {
    const auto found = node_.disk.find(key);
    if (found == node_.disk.end() || found->second.exit || found->second.shim.container) return;
    node_.start_container(key);
    link(key);
  });
}

void Agent::perform(const agent::AbandonStart& effect) {
  runners_[effect.key].abandoned = true;
}

void Agent::perform(const agent::LinkShim& effect) {
  work(effect.key, {world_.random.below(3'000)}, [this, key = effect.key] { link(key); });
}

void Agent::perform(const agent::Inspect& effect) {
  work(effect.key, {world_.random.below(5'000)}, [this, key = effect.key] {
    const auto it = node_.disk.find(key);
    if (it == node_.disk.end()) {
      feed(agent::FoundNothing{key});
      return;
    }
    if (it->second.shim.alive || !it->second.shim.container) {
      feed(node_.found(key));
      return;
    }
    // Sandboxes::kill waits until nothing of it runs.
    work(key, milliseconds(25), [this, key] {
      if (node_.disk.contains(key)) feed(node_.found(key));
    });
  });
}

void Agent::perform(const agent::OpenStreams& effect) {
  open_stream(effect.key);
}

void Agent::perform(const agent::EndOutput& effect) {
  Stream& stream = runners_[effect.key].stream;
  stream.size = effect.output_bytes;
  stream.final_size = effect.output_bytes;
  pump(effect.key);
}

void Agent::perform(const agent::Remember& effect) {
  const auto it = node_.disk.find(effect.key);
  if (it != node_.disk.end()) it->second.asked = effect.asked;
}

void Agent::perform(const agent::Go& effect) {
  if (runners_[effect.key].linked) node_.say_go(effect.key);
}

void Agent::perform(const agent::FirstRankEnded& effect) {
  if (runners_[effect.key].linked) node_.say_first_rank_ended(effect.key);
}

void Agent::perform(const agent::SignalProgram& effect) {
  if (runners_[effect.key].linked) node_.deliver(effect.key, effect.signal);
}

void Agent::perform(const agent::KillAll& effect) {
  if (!effect.without_shim && runners_[effect.key].linked) {
    if (world_.random.chance(50))
      return;  // a shim that does not listen: the core asks again without it
    node_.kill_container(effect.key, milliseconds(500));
    return;
  }
  work(effect.key, {world_.random.below(2'000)},
       [this, key = effect.key] { node_.kill_container(key, milliseconds(300)); });
}

// The last round to the store waits for a controller that is away (agent/home/final_rounds.h).
void Agent::perform(const agent::Measure& effect) {
  work(effect.key, world_.random.spread(milliseconds(1), seconds(1)),
       [this, key = effect.key] { measure(key); });
}

void Agent::measure(const AttemptKey& key) {
  const auto it = node_.disk.find(key);
  const bool brings = it != node_.disk.end() && it->second.began && !it->second.left &&
                      it->second.spec.results == Results::kHome && !it->second.spec.root.live;
  if (brings && (!world_.controller.is_up() || world_.network.is_cut(node_.name()))) {
    work(key, milliseconds(700), [this, key] { measure(key); });
    return;
  }
  WrittenSummary wrote;
  wrote.files = 1;
  wrote.node = node_.name();
  if (brings && world_.random.chance(20)) {
    wrote.home = HomeSummary{};
    wrote.home->failure = "the store is full";
  }
  feed(agent::Measured{key, wrote, {}});
}

void Agent::perform(const agent::Report& effect) {
  tell(effect.observed);
}

void Agent::perform(const agent::LeaveResults& effect) {
  const auto it = node_.disk.find(effect.key);
  if (it != node_.disk.end()) it->second.left = true;
}

void Agent::perform(const agent::Release& effect) {
  Runner& runner = runners_[effect.key];
  runner.closing = true;
  runner.stream.open = false;
  runner.linked = false;
  const auto it = node_.disk.find(effect.key);
  if (it != node_.disk.end()) it->second.shim.linked = {};
  work(effect.key, world_.random.spread(milliseconds(1), seconds(1)), [this, key = effect.key] {
    if (world_.random.chance(50)) {
      feed(agent::Cleaned{key, false});
      return;
    }
    node_.release(key);
    feed(agent::Cleaned{key, true});
  });
}

// ── streams: output goes up from where the controller says ─────────────────────────────────────

void Agent::open_stream(const AttemptKey& key) {
  Stream& stream = runners_[key].stream;
  if (runners_[key].closing || stream.open) return;
  stream.open = true;
  stream.next.reset();
  stream.end_sent = false;
  const uint64_t call = ++stream.call;
  when_connected(Channel::kStreams, [this, key, call](LinkId link) {
    const auto it = runners_.find(key);
    if (it == runners_.end() || !it->second.stream.open || it->second.stream.call != call) return;
    world_.network.send_up(link, [&world = world_, link, key, call, node = node_.name()] {
      world.controller.on_stream_start(link, key, call, node);
    });
  });
}

void Agent::on_stream_from(const AttemptKey& key, uint64_t call, int64_t offset) {
  const auto it = runners_.find(key);
  if (it == runners_.end() || !it->second.stream.open || it->second.stream.call != call) return;
  it->second.stream.tries = 0;
  it->second.stream.next = offset;
  pump(key);
}

void Agent::pump(const AttemptKey& key) {
  const auto it = runners_.find(key);
  if (it == runners_.end()) return;
  Stream& stream = it->second.stream;
  if (!stream.open || !stream.next || stream.end_sent || streams_.link == 0) return;
  while (*stream.next < stream.size) {
    const int64_t bytes = world_.random.between(1, stream.size - *stream.next);
    world_.network.send_up(streams_.link, [&world = world_, link = streams_.link, key,
                                           call = stream.call, from = *stream.next, bytes] {
      world.controller.on_stream_chunk(link, key, call, from, bytes);
    });
    stream.next = *stream.next + bytes;
  }
  if (stream.final_size && *stream.next >= *stream.final_size) {
    stream.end_sent = true;
    world_.network.send_up(streams_.link,
                           [&world = world_, link = streams_.link, key, call = stream.call] {
                             world.controller.on_stream_end(link, key, call);
                           });
  }
}

void Agent::on_stream_done(const AttemptKey& key, uint64_t call) {
  const auto it = runners_.find(key);
  if (it != runners_.end() && it->second.stream.call == call) it->second.stream.open = false;
}

void Agent::on_stream_refused(const AttemptKey& key, uint64_t call) {
  const auto it = runners_.find(key);
  if (it != runners_.end() && it->second.stream.call == call) stream_broke(key);
}

void Agent::stream_broke(const AttemptKey& key) {
  Stream& stream = runners_[key].stream;
  stream.open = false;
  life_.after(pause(stream.tries), [this, key] {
    const auto it = runners_.find(key);
    if (it != runners_.end() && !it->second.closing) open_stream(key);
  });
}

}  // namespace devrun::sim
