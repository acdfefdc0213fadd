#include "tests/sim/agent.h"

#include "common/base/check.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {
constexpr Duration kAnswerWithin = seconds(15);     // agent/sync/reports.cc
constexpr Duration kReportEvery = seconds(10);      // agent/sync/agent.h
constexpr Duration kFirstWordWithin = seconds(15);  // agent/sync/synchronize.cc
}  // namespace

Agent::Agent(World& world, Node& node)
    : world_(world),
      node_(node),
      life_(world.queue),
      trouble_(node.files_in_trouble ? "devrun-fs does not answer" : "") {}

Agent::~Agent() = default;

// Agent::begin and find: what is on disk, then the first call.
void Agent::begin() {
  std::vector<AttemptKey> keys;
  for (const auto& [key, folder] : node_.disk) keys.push_back(key);
  for (const AttemptKey& key : keys) {
    Folder& folder = node_.disk.at(key);
    if (!folder.shim.alive && folder.shim.container) node_.kill_container(key, {});
    runners_[key].lease = folder.spec.lease;
    feed(node_.found(key));
  }
  dial();
  life_.after(kReportEvery, [this] { report_now_and_then(); });
}

void Agent::feed(const agent::Input& input) {
  const agent::Effects effects = agent::step(state_, input, node_.wall());
  for (const agent::Effect& effect : effects) {
    std::visit([this](const auto& one) { perform(one); }, effect);
  }
  if (const auto* cleaned = std::get_if<agent::Cleaned>(&input); cleaned && cleaned->done) {
    runners_.erase(cleaned->key);
  }
  if (const auto* linked = std::get_if<agent::Linked>(&input)) renew(linked->key);
  arrange_tick();
}

void Agent::arrange_tick() {
  const std::optional<Time> due = agent::next_tick(state_);
  if (!due || (tick_at_ && *tick_at_ <= *due)) return;
  tick_at_ = due;
  life_.after(std::max(*due - node_.wall(), Duration{}), [this] {
    tick_at_.reset();
    feed(agent::Tick{});
  });
}

void Agent::work(const AttemptKey& key, Duration takes, Work done) {
  Runner& runner = runners_[key];
  runner.busy_until = std::max(runner.busy_until, world_.queue.now()) + takes;
  life_.after(runner.busy_until - world_.queue.now(), std::move(done));
}

// agent/sync/backoff.h
Duration Agent::pause(int& tries) {
  const int64_t most = std::min<int64_t>(int64_t{50'000} << tries, 1'000'000);
  tries = std::min(tries + 1, 10);
  return {most * (75 + world_.random.below(51)) / 100};
}

bool Agent::is_at_rest() const {
  return state_.attempts.empty() && pending_.empty() && sent_.empty();
}

void Agent::on_files(const std::string& trouble, bool for_good) {
  if (trouble == trouble_ || state_.leaving) return;
  trouble_ = trouble;
  tell_trouble();
  if (!trouble.empty() && for_good) feed(agent::FilesLost{trouble});
}

void Agent::leave() {
  trouble_ = "it leaves the cluster";
  tell_trouble();
  feed(agent::Leaving{"its node left the cluster", seconds(5)});
}

// ── lines ──────────────────────────────────────────────────────────────────────────────────────

void Agent::when_connected(Channel channel, std::function<void(LinkId)> call) {
  Line& line = channel == Channel::kControl ? control_ : streams_;
  if (line.link != 0) return call(line.link);
  line.waiting.push_back(std::move(call));
  if (!line.dialling) dial_line(channel);
}

void Agent::dial_line(Channel channel) {
  Line& line = channel == Channel::kControl ? control_ : streams_;
  line.dialling = true;
  LinkEnds ends;
  ends.agent_closed = [this, channel](LinkId link) { on_line_closed(channel, link); };
  ends.controller_closed = [this_world = &world_](LinkId link) {
    this_world->controller.on_link_closed(link);
  };
  world_.network.dial(node_.name(), channel, ends,
                      life_.bound(std::function<void(LinkId)>([this, channel, &line](LinkId link) {
                        line.dialling = false;
                        if (link == 0) {
                          life_.after(pause(line.tries), [this, channel, &line] {
                            if (line.link == 0 && !line.dialling) dial_line(channel);
                          });
                          return;
                        }
                        line.tries = 0;
                        line.link = link;
                        std::deque<std::function<void(LinkId)>> waiting;
                        waiting.swap(line.waiting);
                        for (const auto& call : waiting) call(link);
                      })));
}

void Agent::on_line_closed(Channel channel, LinkId link) {
  Line& line = channel == Channel::kControl ? control_ : streams_;
  if (line.link != link) return;
  line.link = 0;
  if (channel == Channel::kControl) {
    if (report_ != 0 && report_link_ == link) on_answer(report_, false);
    if (call_link_ == link) on_done();
    return;
  }
  std::vector<AttemptKey> broken;
  for (const auto& [key, runner] : runners_) {
    if (runner.stream.open) broken.push_back(key);
  }
  for (const AttemptKey& key : broken) stream_broke(key);
}

// ── Synchronize ────────────────────────────────────────────────────────────────────────────────

// The words are those of now, however long the connection takes.
void Agent::dial() {
  generation_.reset();
  dialled_at_ = node_.boot();
  call_link_ = 0;
  const uint64_t call = ++call_;
  when_connected(Channel::kControl, [this, call, hello = node_.hello, trouble = trouble_,
                                     observed = agent::observed_all(state_)](LinkId link) {
    if (call != call_) return;
    call_link_ = link;
    world_.network.send_up(
        link, [&world = world_, link, call, hello, trouble, observed, name = node_.name()] {
          world.controller.on_synchronize(link, call, {hello, 0, observed, trouble, {}});
        });
  });
  life_.after(kFirstWordWithin, [this, call] {
    if (call == call_ && !generation_) on_done();
  });
}

void Agent::on_message(uint64_t call, const DesiredMessage& message) {
  if (call != call_) return;
  const bool first = !generation_;
  if (message.state.whole != first || (!first && message.generation != *generation_ + 1)) {
    world_.fail("network", "messages of Synchronize are out of order");
    return;
  }
  generation_ = message.generation;
  dials_ = 0;
  if (first) on_answered(dialled_at_);
  feed(message.state);
  if (first) {
    tell_trouble();
    try_now();
    sign_of_life();
  }
}

void Agent::on_call_over(uint64_t call) {
  if (call == call_) on_done();
}

void Agent::on_done() {
  call_link_ = 0;
  const uint64_t over = ++call_;
  life_.after(pause(dials_), [this, over] {
    if (over == call_) dial();
  });
}

// ── Report ─────────────────────────────────────────────────────────────────────────────────────

void Agent::tell(const ObservedAttempt& observed) {
  pending_[observed.key] = observed;
  if (report_ == 0 && !pausing_) send_report();
}

void Agent::tell_trouble() {
  trouble_pending_ = trouble_;
  if (report_ == 0 && !pausing_) send_report();
}

void Agent::sign_of_life() {
  if (report_ == 0 && !pausing_) send_report();
}

void Agent::try_now() {
  report_tries_ = 0;
  pausing_ = false;
  if (report_ == 0 && has_news()) send_report();
}

void Agent::send_report() {
  const uint64_t number = report_ = ++reports_;
  report_link_ = 0;
  report_sent_ = node_.boot();
  sent_ = std::move(pending_);
  pending_.clear();
  trouble_sent_ = std::exchange(trouble_pending_, std::nullopt);
  controller::Reported report{node_.name(), {}, trouble_sent_, {}};
  for (const auto& [key, observed] : sent_) report.observed.push_back(observed);
  when_connected(Channel::kControl, [this, number, report](LinkId link) {
    if (number != report_) return;
    report_link_ = link;
    world_.network.send_up(link, [&world = world_, link, number, report] {
      world.controller.on_report(link, number, report);
    });
  });
  life_.after(kAnswerWithin, [this, number] {
    if (number == report_) on_answer(number, false);
  });
}

void Agent::on_answer(uint64_t call, bool ok) {
  if (call != report_) return;
  report_ = 0;
  if (ok) {
    report_tries_ = 0;
    sent_.clear();
    trouble_sent_.reset();
    on_answered(report_sent_);
    if (has_news()) send_report();
    return;
  }
  pending_.merge(sent_);  // newer ones stay
  sent_.clear();
  if (!trouble_pending_) trouble_pending_ = std::move(trouble_sent_);
  trouble_sent_.reset();
  pausing_ = true;
  const uint64_t number = ++pauses_;
  life_.after(pause(report_tries_), [this, number] {
    if (!pausing_ || number != pauses_) return;
    pausing_ = false;
    if (report_ == 0 && has_news()) send_report();
  });
}

void Agent::report_now_and_then() {
  std::vector<AttemptKey> running;
  for (const auto& [key, attempt] : state_.attempts) {
    if (std::holds_alternative<agent::Running>(attempt.stage)) running.push_back(key);
  }
  for (const AttemptKey& key : running) feed(agent::Used{key, {seconds(1), 1, 1, 0, 0}});
  sign_of_life();
  life_.after(kReportEvery, [this] { report_now_and_then(); });
}

// ── leases ─────────────────────────────────────────────────────────────────────────────────────

void Agent::on_answered(Time sent) {
  answered_ = std::max(answered_, sent);
  for (const auto& [key, attempt] : state_.attempts) renew(key);
}

void Agent::renew(const AttemptKey& key) {
  const auto attempt = state_.attempts.find(key);
  const auto found = runners_.find(key);
  if (attempt == state_.attempts.end() || found == runners_.end()) return;
  const agent::Stage& stage = attempt->second.stage;
  if (!std::holds_alternative<agent::Running>(stage) &&
      !std::holds_alternative<agent::Stopping>(stage)) {
    return;
  }
  const Runner& runner = found->second;
  if (runner.lease.us == 0 || !runner.linked || answered_.us == 0) return;
  node_.renew_lease(key, answered_ + runner.lease);
}

}  // namespace devrun::sim
