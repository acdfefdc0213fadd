#include "tests/sim/controller.h"

#include "controller/core/apply.h"
#include "controller/core/archive.h"
#include "controller/core/invariants.h"
#include "controller/core/schedule_check.h"
#include "tests/sim/names.h"
#include "tests/sim/world.h"

namespace devrun::sim {

using namespace controller;

namespace {
constexpr const char* kJournal = "/sim/journal.db";
constexpr Duration kTickEvery = seconds(1);
constexpr Duration kOpenAgainAfter = seconds(1);
}  // namespace

Controller::Controller(World& world, Clocks clocks)
    : world_(world), clocks_(clocks), life_(world.queue) {}

Controller::~Controller() {
  world_.disk.die_at(0);
}

Time Controller::wall() const {
  return clocks_.wall(world_.queue.now());
}

// ── the process ────────────────────────────────────────────────────────────────────────────────

void Controller::start() {
  if (is_up()) return;
  if (!open()) {
    world_.trace.count("controller could not start");
    life_.after(kOpenAgainAfter, [this] { start(); });
    return;
  }
  world_.trace.line("ctrl  starts: {} jobs, {} nodes", state_.jobs.size(), state_.nodes.size());
  world_.network.set_controller_up(true);
  tick();
}

// controller/rpc/server.cc, open_state.
bool Controller::open() {
  Result<std::unique_ptr<Journal>> journal = Journal::open(kJournal);
  State fresh;
  Status read = ok();
  if (journal) {
    read = (*journal)->replay([&](const Event& event) { controller::apply(fresh, event); });
  }
  if (!journal || !read) {
    const Error& error = journal ? read.error() : journal.error();
    if (error.code == Code::kCorrupt) world_.fail("replay", "the journal: " + error.message);
    world_.trace.line("ctrl  cannot start: {}", error.message);
    if (journal) journal->reset();
    world_.disk.crash(false);
    return false;
  }
  journal_ = std::move(*journal);
  state_ = std::move(fresh);
  state_.policy = world_.policy;
  state_.presence.started = wall();
  for (const JobId id : absent_dependencies(state_)) {
    const Job* job = in_history(id);
    if (job != nullptr) step(state_, Recall{*job}, wall());
  }
  state_.schedule.begin(state_, state_.presence.started);
  world_.checks.restarted(world_, state_);
  return true;
}

void Controller::kill(bool power, Duration away) {
  if (!is_up()) return;
  world_.trace.line("ctrl  dies{}", power ? ", its machine without power" : "");
  life_.end();
  world_.disk.die_at(0);  // what destroying the journal would write is not written
  (void)world_.disk.begin_change();
  journal_.reset();
  world_.disk.crash(power);
  world_.network.controller_died(power);
  queue_.clear();
  busy_ = woken_ = tick_due_ = archiving_ = false;
  held_.clear();
  calls_on_.clear();
  expecting_.clear();
  rewinding_.clear();
  state_ = {};
  for (auto& [key, log] : logs_) {
    if (power) log.written = world_.random.between(log.synced, log.written);
  }
  die_at_ = DieAt::kNowhere;
  life_.after(away, [this] { start(); });
}

void Controller::die_in_next_batch(DieAt where, bool power, Duration away) {
  die_at_ = where;
  die_power_ = power;
  die_away_ = away;
}

void Controller::set_disk_full(bool full) {
  world_.disk.set_full(full);
}

// ── the loop (core_loop.cc) ────────────────────────────────────────────────────────────────────

void Controller::tick() {
  tick_due_ = true;
  archive_some();
  wake();
  life_.after(kTickEvery, [this] { tick(); });
}

void Controller::post(Input input, Done done) {
  queue_.push_back({std::move(input), std::move(done), {}});
  wake();
}

void Controller::wake() {
  if (busy_ || woken_) return;
  woken_ = true;
  life_.after({world_.random.below(200)}, [this] {
    woken_ = false;
    run_batch();
  });
}

void Controller::take(Batch& batch, Decision decision) {
  if (!decision.events.empty()) {
    for (const std::string& broken : broken_invariants(state_)) {
      world_.fail("invariants", broken);
    }
  }
  std::move(decision.events.begin(), decision.events.end(), std::back_inserter(batch.events));
  std::move(decision.effects.begin(), decision.effects.end(), std::back_inserter(batch.effects));
}

void Controller::run_batch() {
  busy_ = true;
  auto batch = std::make_shared<Batch>();
  batch->tick = std::exchange(tick_due_, false);
  const Time now = batch->now = wall();
  std::deque<Posted> posted;
  posted.swap(queue_);
  bool stepped = batch->tick;
  for (Posted& one : posted) {
    if (one.look) {
      batch->looks.push_back(std::move(one.look));
      continue;
    }
    stepped = true;
    if (!one.recalled) {
      std::vector<JobId> absent = absent_jobs(state_, one.input);
      if (!absent.empty()) {
        recall_for(std::move(absent), std::move(one));
        continue;
      }
    }
    step_one(*batch, one);
  }
  if (batch->tick) take(*batch, step(state_, Tick{}, now));
  batch->placed = stepped;
  if (stepped) take(*batch, step(state_, Place{}, now));
  if (stepped && batches_ % 8 == 0) {
    for (const std::string& wrong : schedule_problems(state_, now)) world_.fail("schedule", wrong);
  }
  if (batch->events.empty() && !batch->tick) return finish(*batch);
  if (die_at_ == DieAt::kBeforeAppend) return kill(die_power_, die_away_);
  const Duration pause = world_.random.spread({100}, disk_pause_most_);
  if (world_.random.chance(500)) {
    life_.after(pause, [this, batch] {
      append(batch);
      if (is_up()) finish(*batch);
    });
    return;
  }
  append(batch);
  if (is_up()) life_.after(pause, [this, batch] { finish(*batch); });
}

void Controller::append(std::shared_ptr<Batch> batch) {
  if (die_at_ == DieAt::kInAppend) world_.disk.die_at(world_.random.below(12));
  Status written = journal_->append(batch->events);
  if (written && batch->tick) written = journal_->tidy();
  const bool died = world_.disk.has_died();
  world_.disk.live_on();
  if (!written || died) {
    world_.trace.line("ctrl  the journal: {}", written ? "died in it" : written.error().message);
    if (!died) world_.trace.count("fault: disk full, controller died");
    // It may be there or not: the fold after the restart says which (check_replay.cc).
    world_.maybe_durable = batch->events;
    return kill(died && die_power_, died ? die_away_ : kOpenAgainAfter);
  }
  world_.became_durable(batch->events);
  if (die_at_ == DieAt::kAfterAppend) kill(die_power_, die_away_);
}

void Controller::finish(Batch& batch) {
  const Time durable = wall();
  became_durable(state_, batch.events, durable);
  perform(batch);
  if (!is_up()) return;
  for (auto& [done, reply] : batch.answers) done(reply);
  for (const Work& look : batch.looks) look();
  if (batch.placed && (++batches_ % 16 == 0 || !batch.events.empty()))
    world_.checks.stepped(world_, state_, batch.now);
  busy_ = false;
  if (!queue_.empty() || tick_due_) wake();
}

// ── effects (agent_sessions.cc, RpcEdge) ───────────────────────────────────────────────────────

void Controller::perform(const Batch& batch) {
  struct News {
    std::set<AttemptKey> changed;
    std::set<AttemptKey> released;
  };
  std::map<std::string, News> by_node;
  std::set<TaskKey> tasks;
  for (const Effect& effect : batch.effects) {
    if (const auto* one = std::get_if<SendDesired>(&effect)) {
      by_node[one->node].changed.insert(one->key);
    } else if (const auto* release = std::get_if<Release>(&effect)) {
      by_node[release->node].released.insert(release->key);
    } else if (const auto* changed = std::get_if<TaskChanged>(&effect)) {
      tasks.insert(changed->task);
    }
  }
  for (const auto& [node, news] : by_node) {
    send(node, news.changed, news.released);
    if (die_at_ == DieAt::kInEffects && world_.random.chance(500)) break;
  }
  if (die_at_ == DieAt::kInEffects && !batch.events.empty()) return kill(die_power_, die_away_);
  publish(tasks);
  for (const Effect& effect : batch.effects) {
    if (const auto* expect = std::get_if<ExpectOutput>(&effect)) {
      expect_output(expect->key, expect->bytes);
    }
    if (const auto* forget = std::get_if<ForgetOutput>(&effect)) forget_output(forget->key);
    if (const auto* wanted = std::get_if<DeriveRoot>(&effect)) derive(*wanted);
  }
}

void Controller::publish(const std::set<TaskKey>& tasks) {
  for (const TaskKey& task : tasks) {
    if (const auto view = view_task(state_, task, wall())) {
      world_.checks.published(world_, task, *view);
    }
  }
}

void Controller::send(const std::string& node, const std::set<AttemptKey>& changed,
                      const std::set<AttemptKey>& released) {
  const auto it = held_.find(node);
  if (it == held_.end()) return;
  DesiredMessage message;
  for (const AttemptKey& key : changed) add(message, node, key, it->second);
  for (const AttemptKey& key : released) {
    if (changed.count(key) != 0) continue;
    message.state.released.push_back(key);
    it->second.named.erase(key);
  }
  deliver(node, it->second, std::move(message));
}

void Controller::add(DesiredMessage& message, const std::string& node, const AttemptKey& key,
                     Held& held) {
  const std::optional<DesiredRank> rank = desired(state_, node, key);
  if (!rank) {
    message.state.released.push_back(key);
    held.named.erase(key);
    return;
  }
  agent::DesiredItem item{rank->attempt, {}, rank->deliver_signal, rank->deliver_sequence};
  if (held.named.insert(key).second && rank->needs_spec) item.spec = attempt_spec(state_, key);
  message.state.desired.push_back(std::move(item));
}

void Controller::deliver(const std::string& node, Held& held, DesiredMessage message) {
  message.generation = ++held.generation;
  world_.network.send_down(held.link, [&world = world_, node, call = held.call, message] {
    if (Agent* agent = world.agent_of(node)) agent->on_message(call, message);
  });
}

void Controller::open_session(const std::string& node, Held held,
                              const std::set<AttemptKey>& observed) {
  Held& kept = held_[node];
  kept = std::move(held);
  kept.named = observed;
  DesiredMessage whole;
  whole.state.whole = true;
  for (const AttemptKey& key : desired_on(state_, node)) add(whole, node, key, kept);
  whole.state.released.clear();
  deliver(node, kept, std::move(whole));
}

void Controller::session_over(const std::string& node, uint64_t session) {
  post(NodeGone{node, session}, [this, node, session](const Result<Reply>&) {
    const auto it = held_.find(node);
    if (it != held_.end() && it->second.session == session) held_.erase(it);
  });
}

void Controller::derive(const DeriveRoot& wanted) {
  world_.trace.count("tree derived");
  life_.after(world_.random.spread(milliseconds(2), seconds(5)), [this, wanted] {
    if (world_.random.chance(20)) {
      post(Derived{wanted.task, wanted.attempt, Error{Code::kIo, "the store is full", {}}});
      return;
    }
    Digest tree;
    for (uint8_t& byte : tree.bytes) byte = static_cast<uint8_t>(world_.random.between(1, 255));
    Derived derived{wanted.task, wanted.attempt, tree};
    if (!wanted.kept.empty()) derived.volume_tree = wanted.base;
    if (wanted.setup) {
      const bool hit = wanted.setup->ran || world_.random.chance(400);
      const bool near = !hit && !wanted.setup->failed && world_.random.chance(500);
      const bool stands = !hit && wanted.setup->failed && world_.random.chance(500);
      world_.trace.count(hit ? "setup found" : stands ? "setup fails as well" : "setup must run");
      const JobId from = wanted.setup->ran ? wanted.setup->ran->job : near ? 1 : 0;
      derived.setup = Derived::Setup{hit    ? SetupHow::kHit
                                     : near ? SetupHow::kNear
                                            : SetupHow::kCold,
                                     wanted.base, from, "chance", stands};
    }
    post(derived);
  });
}

}  // namespace devrun::sim
