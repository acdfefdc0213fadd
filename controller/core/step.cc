#include "controller/core/step.h"

#include "controller/core/alternatives.h"
#include "controller/core/apply.h"
#include "controller/core/archive.h"
#include "controller/core/gpu_news.h"
#include "controller/core/restore.h"
#include "controller/core/turn.h"

namespace devrun::controller {

void Turn::happened(EventKind kind) {
  decision.events.push_back({now, std::move(kind)});
  apply(state, decision.events.back());
  state.schedule.note(state, decision.events.back());
}

namespace {
struct Dispatch {
  Turn& turn;

  Result<Reply> operator()(const Submit& input) { return submit(turn, input); }
  Result<Reply> operator()(const Cancel& input) { return cancel(turn, input); }
  Result<Reply> operator()(const Keep& input) { return keep(turn, input); }
  Result<Reply> operator()(const DeclareLost& input) { return declare_lost(turn, input); }
  Result<Reply> operator()(const SetPolicy& input) {
    turn.state.policy = input.policy;
    turn.state.schedule.begin(turn.state, turn.now);
    return Reply{};
  }
  Result<Reply> operator()(const Drain& input) { return drain(turn, input); }
  Result<Reply> operator()(const Synchronized& input) {
    synchronize(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Reported& input) {
    heard(turn, input.node);
    if (input.trouble) set_trouble(turn, input.node, *input.trouble);
    if (!input.files.empty()) set_files(turn, input.node, input.files);
    for (const ObservedAttempt& observed : input.observed)
      report(turn, input.node, observed, false);
    return Reply{};
  }
  Result<Reply> operator()(const NodeGone& input) {
    node_gone(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const OutputStored& input) {
    output_stored(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Derived& input) {
    root_derived(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Archived& input) {
    archived(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Recall& input) {
    recall(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const GpusIdle& input) {
    gpus_idle(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Restore& input) {
    restore(turn, input);
    return Reply{};
  }
  Result<Reply> operator()(const Tick&) {
    forget_recalled(turn);
    enforce_time_limits(turn);
    enforce_leases(turn);
    turn.state.schedule.tick(turn.state, turn.now);
    choose_again(turn);
    return Reply{};
  }
  Result<Reply> operator()(const Place&) {
    do place(turn);
    while (derive_roots(turn) || choose_first(turn));
    return Reply{};
  }
};
}  // namespace

Decision step(State& state, const Input& input, Time now) {
  if (now < state.schedule.as_of()) state.schedule.begin(state, now);
  Turn turn{state, now, {}};
  turn.decision.reply = std::visit(Dispatch{turn}, input);
  return std::move(turn.decision);
}

void became_durable(State& state, std::span<const Event> events, Time now) {
  for (const Event& event : events) {
    const auto* submitted = std::get_if<JobSubmitted>(&event.kind);
    if (submitted != nullptr) state.jobs.at(submitted->job).timeline.journaled = now;
  }
}

}  // namespace devrun::controller
