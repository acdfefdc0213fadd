// A State and a short way to put inputs into it. Every step checks the invariants.
#pragma once

#include <gtest/gtest.h>

#include "controller/core/apply.h"
#include "controller/core/explain.h"
#include "controller/core/fair_share.h"
#include "controller/core/invariants.h"
#include "controller/core/schedule_check.h"
#include "controller/core/step.h"
#include "controller/core/view.h"

namespace devrun::controller::testing {

inline Digest digest(uint8_t first) {
  Digest out;
  out.bytes[0] = first;
  return out;
}

inline JobSpec simple_job(int64_t cores = 1) {
  JobSpec spec;
  spec.user = "ada";
  spec.name = "true";
  spec.root.volume = "work";
  spec.program.argv = {"true"};
  spec.per_node.cpu_milli = cores * 1000;
  return spec;
}

struct World {
  State state;
  Time now{seconds(1'000'000).us};
  std::vector<Event> events;
  std::vector<Effect> effects;  // of the last `put`
  uint64_t sessions = 0;
  uint64_t requests = 0;
  // As the storage does: each at once.
  bool derives = true;
  std::vector<DeriveRoot> derived;

  void take(const Decision& decision) {
    effects.insert(effects.end(), decision.effects.begin(), decision.effects.end());
    events.insert(events.end(), decision.events.begin(), decision.events.end());
  }
  // Another for each that is asked for.
  static Digest tree_of(const DeriveRoot& wanted) {
    Digest out;
    out.bytes[0] = static_cast<uint8_t>(wanted.task.job);
    out.bytes[1] = static_cast<uint8_t>(wanted.attempt);
    out.bytes[2] = static_cast<uint8_t>(wanted.over.size());
    return out;
  }
  Result<Reply> put(const Input& input) {
    Decision decision = step(state, input, now);
    effects = decision.effects;
    events.insert(events.end(), decision.events.begin(), decision.events.end());
    const Result<Reply> reply = decision.reply;
    take(step(state, Place{}, now));
    for (size_t i = 0; derives && i < effects.size(); ++i) {
      const auto* const wanted = std::get_if<DeriveRoot>(&effects[i]);
      if (wanted == nullptr) continue;
      derived.push_back(*wanted);
      take(step(state, Derived{wanted->task, wanted->attempt, tree_of(*wanted)}, now));
      take(step(state, Place{}, now));
    }
    for (const std::string& broken : broken_invariants(state)) ADD_FAILURE() << broken;
    for (const std::string& broken : schedule_problems(state, now)) ADD_FAILURE() << broken;
    return reply;
  }

  JobId submit(const JobSpec& spec) {
    const auto reply = put(Submit{"r" + std::to_string(++requests), spec, {}});
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? std::get<Submitted>(*reply).job : 0;
  }
  NodeHello hello(const std::string& name, int64_t cores, const std::string& boot = "boot1") {
    NodeHello out;
    out.name = name;
    out.boot_id = boot;
    out.address = name + ".local";
    out.total.cpu_milli = cores * 1000;
    out.total.memory_bytes = 64LL << 30;
    return out;
  }
  uint64_t sync(const NodeHello& node, std::vector<ObservedAttempt> observed = {}) {
    put(Synchronized{node, ++sessions, std::move(observed)});
    return sessions;
  }
  static ObservedAttempt at(const AttemptKey& key, Phase phase, std::optional<Ending> ending = {}) {
    ObservedAttempt out;
    out.key = key;
    out.phase = phase;
    out.ending = std::move(ending);
    return out;
  }
  void report(const std::string& node, const ObservedAttempt& observed) {
    put(Reported{node, {observed}});
  }
  void end(const std::string& node, const AttemptKey& key, int32_t status) {
    report(node, at(key, Phase::kEnded, Ending{EndCause::kExited, status, "", ""}));
  }
  JobState of(JobId id) { return job_state(state, state.jobs.at(id), now); }
  std::string reason(JobId id) { return job_reason(state, state.jobs.at(id), now); }
  const Ending& ending(JobId id) { return state.jobs.at(id).outcome->ending; }
  bool did(const Effect& effect) {
    return std::find(effects.begin(), effects.end(), effect) != effects.end();
  }
  // What a restart would find.
  Ledger replayed() const {
    Ledger ledger;
    for (const Event& event : events) apply(ledger, event);
    return ledger;
  }
};

inline AttemptKey first_try(JobId job, int32_t task = kNoTask, uint32_t rank = 0) {
  return {job, task, rank, 1};
}

}  // namespace devrun::controller::testing
