#include "bench/sched_core/scene.h"

#include <fmt/format.h>

#include "common/base/check.h"

namespace devrun::bench {

using namespace controller;

JobSpec developers_job(uint64_t n) {
  JobSpec spec;
  spec.name = "python";
  spec.user = fmt::format("user{}", n % 200);
  spec.root.volume = fmt::format("volume{}", n % 200);
  spec.root.tree.bytes[0] = static_cast<uint8_t>(n);
  spec.root.tree.bytes[1] = static_cast<uint8_t>(n >> 8);
  spec.program.argv = {"python", "train.py", "--epochs", "3", fmt::format("--seed={}", n)};
  spec.program.cwd = "/home/ada/project/experiments";
  spec.program.sealed_env = std::string(2500, 'e');
  spec.program.caller.user = "ada";
  spec.program.caller.home = "/home/ada";
  spec.per_node = {4000, 16LL << 30, 1, ""};
  spec.paths = {{"/home/ada", {}, PathKind::kHome},
                {"/home/ada/.cache", {}, PathKind::kNode},
                {"/", "__pycache__", PathKind::kNode}};
  return spec;
}

JobSpec array_of(uint64_t n, int32_t tasks) {
  JobSpec spec = developers_job(n);
  spec.per_node = {1000, 1LL << 30, 0, ""};
  spec.array = {{0, tasks - 1, 1}};
  return spec;
}

NodeHello node_hello(uint64_t n) {
  static constexpr const char* kTypes[] = {"A100", "H100", "L40S", "V100"};
  NodeHello out;
  out.name = fmt::format("node{:05}", n);
  out.boot_id = "boot";
  out.address = out.name + ".cluster";
  out.total = {64'000, 512LL << 30, 8, kTypes[n % 4]};
  for (uint32_t i = 0; i < 8; ++i) {
    out.gpus.push_back({i, kTypes[n % 4], kTypes[n % 4], 80LL << 30, {}, 1 + i / 4});
  }
  return out;
}

ObservedAttempt observed(const AttemptKey& key, Phase phase, Time at) {
  ObservedAttempt out;
  out.key = key;
  out.phase = phase;
  out.timeline = {{}, {}, {}, {}, at, at, at, {}, {}};
  if (phase != Phase::kEnded) return out;
  out.ending = Ending{};
  out.timeline.first_byte = out.timeline.ended = at;
  out.usage = Usage{seconds(3), 1 << 30, 0, 5, 6};
  return out;
}

std::vector<SendDesired> Scene::run(const std::vector<Input>& inputs) {
  std::vector<Event> events;
  std::vector<SendDesired> out;
  const auto take = [&](Decision decision) {
    CHECK_MSG(decision.reply.has_value(),
              decision.reply.has_error() ? decision.reply.error().message : "");
    std::move(decision.events.begin(), decision.events.end(), std::back_inserter(events));
    for (const Effect& effect : decision.effects) {
      if (const auto* send = std::get_if<SendDesired>(&effect)) out.push_back(*send);
    }
  };
  for (const Input& input : inputs) take(step(state, input, now));
  take(step(state, Place{}, now));
  if (journal) {
    const Status written = journal->append(events);
    CHECK_MSG(written.has_value(), written.has_error() ? written.error().message : "");
  }
  became_durable(state, events, now);
  return out;
}

std::vector<SendDesired> Scene::put(const Input& input) {
  return run({input});
}

Submit Scene::submission(JobSpec spec) {
  Timeline timeline;
  timeline.submitted = timeline.snapshot_taken = now;
  return {fmt::format("request-{}", ++requests), std::move(spec), timeline};
}

Synchronized Scene::hello(NodeHello node) {
  return {std::move(node), ++sessions, {}};
}

}  // namespace devrun::bench
