#include "controller/rpc/core_loop.h"

#include <chrono>

#include "common/base/check.h"
#include "controller/rpc/clock.h"

namespace devrun::controller {

CoreLoop::CoreLoop(State state, Journal& journal, Edge& edge)
    : state_(std::move(state)), journal_(journal), edge_(edge) {}

CoreLoop::~CoreLoop() {
  stop();
}

void CoreLoop::start() {
  thread_ = std::thread([this] { serve(); });
}

void CoreLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void CoreLoop::push(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(entry));
  }
  changed_.notify_one();
}

void CoreLoop::post(Input input, Done done) {
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    full = queue_.size() >= kQueuedInputsMax;
  }
  // News of agents and of our own parts are never refused: their senders wait for an answer and send no more.
  if (full && std::holds_alternative<Submit>(input)) {
    const Error error{Code::kExhausted, "the controller has too many requests waiting",
                      "try again"};
    done({}, clock_now(), error);
    return;
  }
  push(Posted{std::move(input), std::move(done)});
}

void CoreLoop::read(Look look) {
  push(std::move(look));
}

void CoreLoop::serve() {
  using SteadyClock = std::chrono::steady_clock;
  constexpr auto kTickEvery = std::chrono::seconds(1);
  auto next_tick = SteadyClock::now();
  while (true) {
    std::deque<Entry> batch;
    bool ending = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, next_tick, [this] { return ending_ || !queue_.empty(); });
      batch.swap(queue_);
      ending = ending_ && batch.empty();
    }
    if (ending) return;
    const bool tick = SteadyClock::now() >= next_tick;
    if (tick) next_tick = SteadyClock::now() + kTickEvery;
    run_batch(std::move(batch), tick);
  }
}

void CoreLoop::run_batch(std::deque<Entry> batch, bool tick) {
  const Time now = clock_now();
  std::vector<Event> events;
  std::vector<Effect> effects;
  const auto take = [&](Decision& decision) {
    std::move(decision.events.begin(), decision.events.end(), std::back_inserter(events));
    std::move(decision.effects.begin(), decision.effects.end(), std::back_inserter(effects));
  };
  std::vector<std::pair<Done, Result<Reply>>> answers;
  bool stepped = tick;
  for (Entry& entry : batch) {
    auto* posted = std::get_if<Posted>(&entry);
    if (posted == nullptr) continue;
    stepped = true;
    Decision decision = step(state_, posted->input, now);
    take(decision);
    if (posted->done) answers.emplace_back(std::move(posted->done), std::move(decision.reply));
  }
  if (tick) {
    Decision decision = step(state_, Tick{}, now);
    take(decision);
  }
  if (stepped) {
    Decision decision = step(state_, Place{}, now);
    take(decision);
  }
  const Status written = journal_.append(events);
  CHECK_MSG(written.has_value(), written.has_error() ? written.error().message : "");
  const Time durable = clock_now();
  became_durable(state_, events, durable);
  edge_.perform(state_, effects, durable);
  for (auto& [done, reply] : answers) done(state_, durable, reply);
  for (Entry& entry : batch) {
    if (auto* look = std::get_if<Look>(&entry)) (*look)(state_, durable);
  }
  if (tick) edge_.ticked(state_, durable);
}

}  // namespace devrun::controller
