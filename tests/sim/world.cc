#include "tests/sim/world.h"

#include "common/model/fits.h"
#include "controller/core/apply.h"
#include "controller/core/limits.h"
#include "tests/sim/names.h"

namespace devrun::sim {

namespace {
Clocks some_clocks(Random& random) {
  return {random.between(-5000, 5000), random.between(seconds(-600), seconds(600)), {}};
}
}  // namespace

World::World(uint64_t seed, bool tell)
    : random(seed),
      disk_random(seed ^ 0x5eed),
      trace(queue, tell),
      disk(disk_random),
      network(queue, random, trace),
      controller(*this, some_clocks(random)),
      users(*this),
      faults(*this) {
  // Short leases, so that many end; the margin is as good as the product's for them.
  policy.lease = seconds(random.one_of(std::vector<int64_t>{20, 45, 90, 300}));
  policy.lease_margin = seconds(random.between(10, 30));
  doubled_per_thousand = static_cast<int>(random.one_of(std::vector<int64_t>{0, 10, 200}));
  some_policy();
  make_nodes();
}

World::~World() = default;

// What operators choose, such that limits are met and jobs leave memory within the minutes that a seed plays.
void World::some_policy() {
  policy.keep_in_memory = seconds(random.one_of(std::vector<int64_t>{3, 30, 3600}));
  policy.ended_in_memory_max = static_cast<size_t>(random.one_of(std::vector<int64_t>{2, 10'000}));
  policy.recalled_max = static_cast<size_t>(random.one_of(std::vector<int64_t>{1, 1'000}));
  policy.reserve_blindly_after = seconds(random.one_of(std::vector<int64_t>{5, 600}));
  policy.priority_step = seconds(random.one_of(std::vector<int64_t>{5, 24 * 3600}));
  policy.fair_share.half_life = seconds(random.one_of(std::vector<int64_t>{20, 7 * 24 * 3600}));
  policy.fair_share.span = seconds(random.one_of(std::vector<int64_t>{0, 60, 24 * 3600}));
  if (random.chance(300)) policy.fair_share.shares["ada"] = 3;
  if (random.chance(200)) policy.fair_share.groups["vision"] = {2, {"bob", "eve"}};
  if (random.chance(300)) policy.user_limits.running = static_cast<uint32_t>(random.between(1, 6));
  if (random.chance(150)) policy.user_limits.waiting = static_cast<uint32_t>(random.between(4, 9));
  if (random.chance(200)) policy.limits_of_pool["fast"].running = 2;
  if (random.chance(200)) policy.limits_of_user["eve"].gpus = 4;
}

void World::make_nodes() {
  const int64_t count = random.between(1, 6);
  for (int64_t i = 0; i <= count; ++i) {
    NodeHello hello;
    hello.name = i == 0 ? "storage" : fmt::format("n{}", i);
    hello.boot_id = hello.name + "-boot1";
    hello.address = fmt::format("10.0.0.{}", i);
    hello.version = "0.1.0";
    hello.dev_containers = i == 0;
    hello.total.cpu_milli = random.between(2, 8) * 1000;
    hello.total.memory_bytes = random.between(4, 32) << 30;
    if (i != 0 && random.chance(500)) {
      hello.total.gpus = static_cast<int32_t>(random.between(1, 8));
      const std::string type = random.chance(500) ? "H100" : "A100";
      hello.total.gpu_type = type;
      for (int32_t g = 0; g < hello.total.gpus; ++g) {
        hello.gpus.push_back({static_cast<uint32_t>(g), type, type, 80LL << 30, ""});
      }
    }
    if (random.chance(300)) hello.pools.push_back("fast");
    if (random.chance(500)) hello.labels["disk"] = random.chance(500) ? "nvme" : "spinning";
    if (random.chance(400)) hello.total.extras["licence"] = random.between(1, 3);
    nodes[hello.name] = std::make_unique<Node>(*this, hello, some_clocks(random));
  }
}

void World::fail(const std::string& checker, const std::string& what) {
  if (failed()) return;
  failed_checker = checker;
  failure = what;
  trace.line("FAIL  {}: {}", checker, what);
}

Agent* World::agent_of(const std::string& node) {
  return nodes.at(node)->agent();
}

Node& World::any_node() {
  return *std::next(nodes.begin(), random.below(static_cast<int64_t>(nodes.size())))->second;
}

void World::container_began(const Node& node, const AttemptSpec& spec) {
  trace.line("node  {}: {} runs", node.name(), folder_name(spec.key));
  trace.count("container began");
  checks.began(*this, node, spec);
  living[spec.key] = {node.name(), spec};
}

void World::container_ended(const Node& node, const AttemptSpec& spec) {
  trace.line("node  {}: {} runs no more", node.name(), folder_name(spec.key));
  living.erase(spec.key);
  checks.ended(*this, node, spec);
}

void World::became_durable(const std::vector<controller::Event>& events) {
  for (const controller::Event& event : events) {
    trace.line("event {}", event_text(event));
    trace.count(fmt::format("event: {}", event_name(event)));
    const auto* lost = std::get_if<controller::NodeDeclaredLost>(&event.kind);
    if (lost != nullptr && called_lost.count(lost->node) != 0) {
      const std::set<AttemptKey>& live = shadow.nodes.at(lost->node).live;
      disowned.insert(live.begin(), live.end());
    }
    // Checkers go on knowing those that leave memory.
    if (const auto* gone = std::get_if<controller::JobArchived>(&event.kind)) {
      shadow.recalled.jobs[gone->job] = {shadow.jobs.at(gone->job), queue.now()};
    }
    controller::apply(shadow, event);
  }
  checks.durable(*this, events);
}

// ── phases ─────────────────────────────────────────────────────────────────────────────────────

void World::play_until(Time end) {
  while (!failed() && queue.now() < end && queue.run_next()) {
  }
}

void World::run() {
  controller.start();
  for (const auto& [name, node] : nodes) {
    queue.after(Duration{random.below(3'000'000)}, [&node = *node] { node.start_agent(); });
  }
  const Time end = queue.now() + random.between(seconds(30), seconds(400));
  users.begin(end);
  faults.begin(end);
  play_until(end);
  trace.line("────  no more faults");
  faults.end();
  users.wind_up();
  if (failed()) return;
  if (!play_until_settled()) return fail("liveness", what_is_left());
  // What is left can never start: it may only be cancelled.
  users.cancel_all();
  if (!play_until_settled()) return fail("liveness", what_is_left());
  if (!controller.state().queue.empty()) return fail("liveness", "a cancelled job is still queued");
  checks.finished(*this);
  if (failed()) return;
  controller.kill(true, seconds(1));
  play_until(queue.now() + seconds(30));
  if (!failed() && !controller.is_up()) fail("liveness", "the controller does not come back");
}

namespace {

// Not before somebody adds a node, or ever.
bool can_never_start(const World& world, const controller::Ledger& ledger,
                     const controller::Job& job) {
  size_t large = 0;
  for (const auto& [name, node] : ledger.nodes) {
    const auto real = world.nodes.find(name);
    const bool gone = node.lost || real == world.nodes.end() || !real->second->is_up();
    if (!gone && may_run_on(node.hello, job.spec) && fits(node.hello, job.spec.per_node)) ++large;
  }
  if (large < job.spec.nodes) return true;
  const controller::Limits& own = controller::limits_of_user(world.policy, job.spec.user);
  if (!controller::limit_reached(own, nullptr, job.spec).empty()) return true;
  for (const JobId id : controller::dependencies(job.spec)) {
    const controller::Job* before = controller::find_job(ledger, id);
    if (before != nullptr && !before->outcome && can_never_start(world, ledger, *before)) {
      return true;
    }
  }
  return false;
}

}  // namespace

// For the trace of a seed whose cluster does not settle.
void World::tell_of_agents() {
  for (const auto& [name, node] : nodes) {
    if (!node->has_agent()) continue;
    for (const auto& [key, attempt] : node->agent()->state().attempts) {
      const std::string_view stage = std::visit(
          [](const auto& one) { return type_name<std::decay_t<decltype(one)>>(); }, attempt.stage);
      const auto folder = node->disk.find(key);
      trace.line("left  {}: {} is {}, goal {}, phase {}{}{}", name, folder_name(key), stage,
                 attempt.desired.goal == Goal::kRun ? "run" : "stop",
                 static_cast<int>(attempt.observed.phase), attempt.released ? ", released" : "",
                 folder == node->disk.end() ? ", no folder" : "");
    }
  }
}

std::string World::what_is_left() {
  if (!controller.is_up()) return "the controller is not up";
  for (const auto& [id, job] : controller.state().jobs) {
    if (job.outcome || can_never_start(*this, controller.state(), job)) continue;
    return fmt::format("job {} is {} for ever: {}", id,
                       state_name(job_state(controller.state(), job, controller.wall())),
                       job_reason(controller.state(), job, controller.wall()));
  }
  for (const auto& [name, node] : nodes) {
    if (!node->is_up()) continue;
    if (!node->has_agent()) return name + " has no agent";
    if (!node->disk.empty()) {
      return fmt::format("{} keeps {} for ever", name, folder_name(node->disk.begin()->first));
    }
    if (!node->agent()->is_at_rest()) return fmt::format("the agent of {} does not rest", name);
  }
  if (!users.unanswered().empty()) return "a user waits for " + *users.unanswered().begin();
  if (!controller.expecting().empty()) {
    const auto& [key, bytes] = *controller.expecting().begin();
    return fmt::format("the controller expects {} bytes of {}", bytes, folder_name(key));
  }
  if (!controller.is_at_rest()) return "the controller does not rest";
  return {};
}

bool World::play_until_settled() {
  const Time end = queue.now() + kSettlesWithin;
  while (!failed() && queue.now() < end) {
    play_until(queue.now() + seconds(5));
    if (what_is_left().empty()) return true;
  }
  if (!failed()) tell_of_agents();
  return failed();
}

}  // namespace devrun::sim
