#include "tests/sim/node.h"

#include "common/model/ending.h"
#include "tests/sim/agent.h"
#include "tests/sim/world.h"

namespace devrun::sim {

Node::Node(World& world, NodeHello of, Clocks with)
    : hello(std::move(of)), clocks(with), world_(world), boot_(world.queue) {
  clocks.booted = world.queue.now();
}

Node::~Node() = default;

Time Node::wall() const {
  return clocks.wall(world_.queue.now());
}
Time Node::boot() const {
  return clocks.boot(world_.queue.now());
}

// ── the machine and its agent ──

void Node::start_agent() {
  if (!powered_ || agent_) return;
  world_.trace.line("node  {}: its agent starts", name());
  agent_ = std::make_unique<Agent>(world_, *this);
  agent_->begin();
}

void Node::kill_agent() {
  if (!agent_) return;
  world_.trace.line("node  {}: its agent dies", name());
  agent_.reset();
  world_.network.agent_died(name(), !powered_);
  for (auto& [key, folder] : disk) {
    folder.shim.linked = {};
    // A shim that was still waiting for go (agent/sandbox/step_go.cc) leaves.
    if (folder.shim.alive && !folder.shim.container && !folder.exit) {
      folder.exit = set_up_interrupted();
      folder.exit_is_durable = true;
      folder.shim.alive = false;
    }
  }
}

void Node::lose_power() {
  if (!powered_) return;
  world_.trace.line("node  {}: no power", name());
  powered_ = false;
  boot_.end();
  kill_agent();
  for (auto& [key, folder] : disk) {
    if (folder.shim.container) container_is_gone(folder);
    folder.shim = {};
    if (folder.exit_is_durable) continue;
    // Known, and not played: the shim tells an end before it has synced the output (shim.cc, finish), and bytes that
    // were promised then never come.
    if (folder.exit) continue;
    folder.output_bytes = world_.random.between(folder.output_durable, folder.output_bytes);
    folder.output_durable = folder.output_bytes;
  }
}

void Node::power_up() {
  if (powered_) return;
  powered_ = true;
  files_in_trouble = false;
  hello.boot_id = fmt::format("{}-boot{}", name(), ++boots_);
  clocks.booted = world_.queue.now();
  world_.trace.line("node  {}: {}", name(), hello.boot_id);
}

void Node::kill_shim(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.alive) return;
  world_.trace.line("node  {}: the shim of {} dies", name(), folder_name(key));
  Shim& shim = it->second.shim;
  shim.alive = false;
  // Its container ends by itself at once (agent/shim/container_init.h).
  if (shim.container) {
    boot_.after({world_.random.below(20'000)}, [this, key] {
      const auto found = disk.find(key);
      if (found != disk.end() && found->second.shim.container) container_is_gone(found->second);
    });
  }
  if (shim.linked) {
    const ShimNews news = shim.linked;
    shim.linked = {};
    boot_.after({world_.random.below(2'000)}, [news, key] { news(agent::ShimGone{key}); });
  }
}

// ── folders ──

bool Node::make_folder(const AttemptSpec& spec) {
  const auto [it, made] = disk.try_emplace(spec.key);
  if (made) it->second.spec = spec;
  return made;
}

void Node::fail_start(const AttemptKey& key, const Ending& ending) {
  Folder& folder = disk.at(key);
  folder.exit = ending;
  folder.exit_is_durable = true;
}

agent::Found Node::found(const AttemptKey& key) const {
  const Folder& folder = disk.at(key);
  agent::Found out;
  out.key = key;
  out.shim_alive = folder.shim.alive;
  out.output_bytes = folder.output_bytes;
  out.has_setup = !folder.spec.program.setup.empty();
  out.asked = folder.asked;
  out.time_limit = folder.spec.time_limit;
  if (folder.exit) {
    out.ending = folder.exit;
    out.timeline = folder.timeline;
  } else if (!folder.shim.alive && !folder.began) {
    out.ending = set_up_interrupted();
  } else if (!folder.shim.alive) {
    out.ending = Ending{EndCause::kLost, 125, "its shim or its node died", ""};
  }
  return out;
}

void Node::release(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end()) return;
  if (it->second.shim.container) container_is_gone(it->second);
  world_.checks.cleaned(world_, *this, it->second);
  disk.erase(it);
}

// ── shim and container ──

void Node::start_shim(const AttemptKey& key) {
  Folder& folder = disk.at(key);
  folder.began = true;
  folder.shim.alive = true;
  folder.shim.lease_until = folder.spec.lease_until;
  folder.shim.state.key = key;
  watch_lease(key);
}

void Node::start_container(const AttemptKey& key) {
  Folder& folder = disk.at(key);
  if (!folder.shim.alive) return;
  if (folder.shim.lease_expired) {
    folder.exit = Ending{EndCause::kLost, 125, "its node had no word of the controller", ""};
    folder.shim.state.ending = folder.exit;
    end_shim(key);
    return;
  }
  folder.shim.container = true;
  folder.timeline.started = folder.shim.state.started = wall();
  folder.shim.in_program = folder.spec.program.setup.empty();
  world_.container_began(*this, folder.spec);
  tell(folder);
  if (folder.shim.in_program) {
    run_program(key);
    return;
  }
  boot_.after(world_.random.spread(milliseconds(20), seconds(10)), [this, key] {
    const auto it = disk.find(key);
    if (it == disk.end() || !it->second.shim.container || it->second.shim.dying) return;
    if (world_.random.chance(100)) {
      end_container(key, {EndCause::kExited, 3, "", ""});
      return;
    }
    it->second.shim.state.setup_done = true;
    tell(it->second);
    if (it->second.shim.go) run_program(key);
  });
}

void Node::say_go(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end()) return;
  Shim& shim = it->second.shim;
  const bool begins = !shim.go && shim.container && shim.state.setup_done && !shim.in_program;
  shim.go = true;
  if (begins) run_program(key);
}

void Node::say_first_rank_ended(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end()) return;
  Shim& shim = it->second.shim;
  shim.first_rank_ended = true;
  if (shim.stays && !shim.dying) end_container(key, {EndCause::kExited, 0, "", ""});
}

void Node::run_program(const AttemptKey& key) {
  Folder& folder = disk.at(key);
  folder.shim.in_program = true;
  const std::vector<std::string>& argv = folder.spec.program.argv;
  const std::string how = argv.size() > 1 ? argv[1] : "short";
  const int fails = argv.size() > 2 ? std::atoi(argv[2].c_str()) : 0;
  Random& random = world_.random;
  for (int64_t pieces = random.below(3); pieces > 0; --pieces) {
    boot_.after(random.spread(milliseconds(1), seconds(20)),
                [this, key] { write_output(key, world_.random.between(1, 5000)); });
  }
  if (how == "forever") return;
  const Duration lasts = how == "long" ? random.between(seconds(5), seconds(120))
                                       : random.spread(milliseconds(10), seconds(20));
  boot_.after(lasts, [this, key, fails] {
    const auto it = disk.find(key);
    if (it == disk.end() || !it->second.shim.container || it->second.shim.dying) return;
    const bool good = !world_.random.chance(fails);
    write_output(key, world_.random.between(0, 2000));
    Shim& shim = it->second.shim;
    // With an sshd in its volume (agent/sandbox/rank_ssh.h).
    shim.stays = good && key.rank != 0 && !shim.first_rank_ended && world_.random.chance(500);
    if (shim.stays) {
      world_.trace.count("rank stays for rank 0");
      return;
    }
    end_container(key, {EndCause::kExited,
                        good ? 0 : static_cast<int32_t>(world_.random.between(1, 4)), "", ""});
  });
}

void Node::write_output(const AttemptKey& key, int64_t bytes) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.alive || it->second.exit) return;
  Folder& folder = it->second;
  folder.output_bytes += bytes;
  folder.shim.state.output_bytes = folder.output_bytes;
  if (folder.timeline.first_byte.us == 0) {
    folder.timeline.first_byte = folder.shim.state.first_byte = wall();
  }
  tell(folder);
}

// To the agent, if one listens.
void Node::tell(const Folder& folder) {
  if (!folder.shim.linked) return;
  boot_.after({world_.random.below(1'500)},
              [news = folder.shim.linked, state = folder.shim.state] { news(state); });
}

void Node::container_is_gone(Folder& folder) {
  folder.shim.container = false;
  world_.container_ended(*this, folder.spec);
}

void Node::kill_container(const AttemptKey& key, Duration within) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.container || it->second.shim.dying) return;
  it->second.shim.dying = true;
  boot_.after({world_.random.below(within.us + 1)}, [this, key] {
    end_container(key, {EndCause::kExited, 137, "killed by signal 9", ""});
  });
}

// The record first, then the news, then what makes them durable (shim.cc, finish).
void Node::end_container(const AttemptKey& key, Ending ending) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.container) return;
  Folder& folder = it->second;
  container_is_gone(folder);
  if (!folder.shim.alive) return;
  if (folder.shim.lease_expired) {
    ending = {EndCause::kLost, 125, "its node had no word of the controller", ""};
  }
  folder.exit = ending;
  folder.timeline.ended = folder.shim.state.ended = wall();
  folder.shim.state.ending = ending;
  folder.shim.state.output_bytes = folder.output_bytes;
  tell(folder);
  boot_.after(world_.random.spread(milliseconds(1), seconds(2)), [this, key] { end_shim(key); });
}

void Node::end_shim(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.alive) return;
  Folder& folder = it->second;
  folder.exit_is_durable = true;
  folder.shim.alive = false;
  if (!folder.shim.linked) return;
  boot_.after({1'500 + world_.random.below(1'500)},
              [key, news = folder.shim.linked] { news(agent::ShimGone{key}); });
  folder.shim.linked = {};
}

void Node::deliver(const AttemptKey& key, int32_t signal) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.container || it->second.shim.dying) return;
  world_.trace.count(fmt::format("signal {} delivered", signal));
  if (signal == 9) return kill_container(key, milliseconds(300));
  if (!world_.random.chance(signal == 15 ? 700 : 200)) return;  // it goes on all the same
  it->second.shim.dying = true;
  boot_.after(world_.random.spread(milliseconds(1), seconds(3)), [this, key, signal] {
    end_container(
        key, {EndCause::kExited, 128 + signal, fmt::format("killed by signal {}", signal), ""});
  });
}

void Node::renew_lease(const AttemptKey& key, Time until) {
  const auto it = disk.find(key);
  if (it == disk.end()) return;
  Shim& shim = it->second.shim;
  if (shim.lease_until.us != 0) shim.lease_until = std::max(shim.lease_until, until);
}

// The shim looks again when the lease that it knew would end.
void Node::watch_lease(const AttemptKey& key) {
  const auto it = disk.find(key);
  if (it == disk.end() || !it->second.shim.alive || it->second.shim.lease_until.us == 0) return;
  Shim& shim = it->second.shim;
  const Duration left = shim.lease_until - boot();
  if (left.us > 0) {
    boot_.after(left + milliseconds(1), [this, key] { watch_lease(key); });
    return;
  }
  if (it->second.exit) return;
  shim.lease_expired = true;
  world_.trace.count("lease ended a container");
  world_.trace.line("node  {}: the lease of {} has ended", name(), folder_name(key));
  world_.checks.lease_ended(world_, *this, it->second);
  kill_container(key, milliseconds(500));
}

}  // namespace devrun::sim
