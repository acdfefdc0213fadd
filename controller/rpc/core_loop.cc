#include "controller/rpc/core_loop.h"

#include <chrono>

#include "common/base/check.h"
#include "controller/core/archive.h"
#include "controller/rpc/clock.h"

namespace devrun::controller {

CoreLoop::CoreLoop(State state, Journal& journal, Edge& edge, Recaller& recaller)
    : state_(std::move(state)), journal_(journal), edge_(edge), recaller_(recaller) {}

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
  push(Posted{std::move(input), std::move(done), false});
}

void CoreLoop::read(Look look) {
  push(std::move(look));
}

void CoreLoop::read_jobs(std::vector<JobId> jobs, JobLook look) {
  push(Reading{std::move(jobs), std::move(look)});
}

void CoreLoop::with_journal(JournalWork work) {
  push(Keeping{std::move(work)});
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

// What a batch of inputs has come to until it is durable.
struct CoreLoop::Batch {
  Time now;
  std::vector<Event> events = {};
  std::vector<Effect> effects = {};
  std::vector<std::pair<Done, Result<Reply>>> answers = {};

  Result<Reply> add(Decision decision) {
    std::move(decision.events.begin(), decision.events.end(), std::back_inserter(events));
    std::move(decision.effects.begin(), decision.effects.end(), std::back_inserter(effects));
    return std::move(decision.reply);
  }
};

Result<std::optional<JobId>> CoreLoop::find_request(const std::string& user,
                                                    const std::string& request_id) const {
  const auto known = state_.requests.find({user, request_id});
  if (known != state_.requests.end()) return std::optional<JobId>(known->second);
  return recaller_.find_request(user, request_id);
}

void CoreLoop::take(Posted& posted, Batch& batch) {
  if (!posted.recalled) {
    std::vector<JobId> absent = absent_jobs(state_, posted.input);
    if (!absent.empty()) return recall_for(std::move(absent), std::move(posted));
  }
  Result<Reply> reply = Reply{};
  if (const auto* submit = std::get_if<Submit>(&posted.input)) {
    const auto known = find_request(submit->spec.user, submit->request_id);
    if (!known) {
      reply = known.error();
    } else if (*known && state_.jobs.count(**known) == 0) {
      reply = Reply{Submitted{**known, true}};
    } else {
      reply = batch.add(step(state_, posted.input, batch.now));
    }
  } else {
    reply = batch.add(step(state_, posted.input, batch.now));
  }
  if (posted.done) batch.answers.emplace_back(std::move(posted.done), std::move(reply));
}

void CoreLoop::look(Entry& entry, Time now) {
  if (auto* plain = std::get_if<Look>(&entry)) return (*plain)(state_, now);
  if (auto* keeping = std::get_if<Keeping>(&entry)) return keeping->work(state_, journal_);
  auto* reading = std::get_if<Reading>(&entry);
  if (reading == nullptr) return;
  if (!reading->recalled) {
    std::vector<JobId> absent = absent_jobs(state_, reading->jobs);
    if (!absent.empty()) return recall_for(std::move(absent), std::move(*reading));
  }
  reading->look(state_, now, ok());
}

void CoreLoop::recall_for(std::vector<JobId> jobs, Entry entry) {
  auto waits = std::make_shared<Entry>(std::move(entry));
  recaller_.fetch(std::move(jobs), [this, waits](const Result<std::vector<Job>>& found) {
    come_back(found, *waits);
  });
}

void CoreLoop::come_back(const Result<std::vector<Job>>& found, Entry& entry) {
  auto* posted = std::get_if<Posted>(&entry);
  auto* reading = std::get_if<Reading>(&entry);
  if (!found) {
    push(
        Look([error = found.error(), done = posted != nullptr ? posted->done : Done{},
              then = reading != nullptr ? reading->look : JobLook{}](const State& state, Time now) {
          if (done) done(state, now, error);
          if (then) then(state, now, error);
        }));
    return;
  }
  for (const Job& job : *found) push(Posted{Recall{job}, {}, true});
  if (posted != nullptr) posted->recalled = true;
  if (reading != nullptr) reading->recalled = true;
  push(std::move(entry));
}

void CoreLoop::run_batch(std::deque<Entry> entries, bool tick) {
  Batch batch{clock_now()};
  bool stepped = tick;
  for (Entry& entry : entries) {
    auto* posted = std::get_if<Posted>(&entry);
    if (posted == nullptr) continue;
    stepped = true;
    take(*posted, batch);
  }
  if (tick) static_cast<void>(batch.add(step(state_, Tick{}, batch.now)));
  if (stepped) static_cast<void>(batch.add(step(state_, Place{}, batch.now)));
  Status written = journal_.append(batch.events);
  if (written && tick) written = journal_.tidy();
  CHECK_MSG(written.has_value(), written.has_error() ? written.error().message : "");
  const Time durable = clock_now();
  became_durable(state_, batch.events, durable);
  edge_.perform(state_, batch.effects, durable);
  for (auto& [done, reply] : batch.answers) done(state_, durable, reply);
  for (Entry& entry : entries) look(entry, durable);
  if (tick) edge_.ticked(state_, durable);
}

}  // namespace devrun::controller
