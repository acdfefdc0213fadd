#include "tests/sim/users.h"

#include "tests/sim/world.h"

namespace devrun::sim {

using namespace controller;

namespace {
constexpr const char* kUsers[] = {"ada", "bob", "eve"};
}

Users::Users(World& world) : world_(world), life_(world.queue) {}

void Users::begin(Time until) {
  until_ = until;
  jobs_left_ = world_.random.between(3, 30);
  pause_most_ = seconds(world_.random.one_of(std::vector<int64_t>{1, 5, 20}));
  submit_now_and_then();
  meddle_now_and_then();
}

// ── jobs ───────────────────────────────────────────────────────────────────────────────────────

void Users::shape(JobSpec& spec) {
  Random& random = world_.random;
  const int64_t kind = random.below(10);
  if (kind == 0) {
    spec.root.live = spec.dev_container = true;
    spec.program.argv = {"shell", "forever"};
    return;
  }
  if (kind <= 2) spec.nodes = static_cast<uint32_t>(random.between(2, 4));
  if (kind >= 3 && kind <= 5) {
    const auto last = static_cast<int32_t>(random.between(0, 12));
    spec.array = {{0, last, static_cast<int32_t>(random.between(1, 3))}};
    if (random.chance(300)) spec.array.push_back({20, 22, 1});
    if (random.chance(500)) spec.array_running_max = static_cast<uint32_t>(random.between(1, 4));
  }
  if (random.chance(400)) {
    spec.retries = static_cast<uint32_t>(random.between(1, 3));
    if (random.chance(400)) spec.retry_on = {random.chance(500) ? 2 : 124, 125};
    spec.fresh = random.chance(300);
  }
  if (random.chance(150)) {
    spec.retry_lost = random.chance(700);
    if (random.chance(500)) spec.retry_always_on = {random.chance(500) ? 2 : 124};
  }
  if (random.chance(200)) {
    spec.time_limit = random.between(seconds(2), seconds(60));
    if (random.chance(500)) {
      spec.warn_signal = 10;
      spec.warn_before = {spec.time_limit.us / 2};
    }
  }
  if (random.chance(150)) {
    spec.program.setup = {"run", random.chance(900) ? "short" : "long", "0"};
    // Once for all that want the same, which few enough do to meet.
    if (random.chance(600)) {
      spec.setup_once.key.bytes[0] = static_cast<uint8_t>(random.between(1, 3));
      spec.setup_once.family.bytes[0] = 1;
      spec.setup_once.fresh = random.chance(100);
    }
  }
  if (random.chance(100)) spec.results = random.chance(500) ? Results::kKeep : Results::kDiscard;
  if (random.chance(150)) spec.pool = "fast";
  if (random.chance(100)) spec.node_labels["disk"] = random.chance(700) ? "nvme" : "spinning";
  if (random.chance(100)) spec.per_node.extras["licence"] = random.between(1, 2);
  if (random.chance(200)) spec.labels["kind"] = "probe";
}

Submit Users::make_job() {
  Random& random = world_.random;
  JobSpec spec;
  spec.user = kUsers[random.below(3)];
  spec.root.volume = "home-" + spec.user;
  spec.root.tree.bytes[0] = static_cast<uint8_t>(random.between(1, 255));
  spec.program.caller.uid = 0;
  spec.program.cwd = "/";
  const char* how[] = {"short", "short", "short", "long", "long", "forever"};
  spec.program.argv = {"run", how[random.below(6)], fmt::format("{}", random.below(2) * 300)};
  spec.per_node.cpu_milli = random.between(1, 40) * 100;
  spec.per_node.memory_bytes = random.between(1, 16) << 28;
  if (random.chance(60)) spec.per_node.memory_bytes = int64_t{64} << 30;  // no node has that
  shape(spec);
  if (!spec.dev_container && random.chance(300)) {
    spec.per_node.gpus = static_cast<int32_t>(random.between(1, 4));
    if (random.chance(500)) spec.per_node.gpu_type = "H100";
    if (random.chance(200)) spec.per_node.gpu_memory_bytes = random.between(40, 90) << 30;
    if (random.chance(250)) {
      spec.per_node.gpus = 1;
      spec.per_node.gpu_milli = static_cast<int32_t>(random.between(1, 9)) * 100;
    }
  }
  if (!spec.dev_container && random.chance(200)) {
    spec.alternatives = {spec.per_node, spec.per_node};
    spec.alternatives[1].cpu_milli = random.between(1, 40) * 100;
    if (random.chance(500)) {
      spec.alternatives[1].gpus = static_cast<int32_t>(random.between(1, 4));
      spec.alternatives[1].gpu_milli = 0;
      spec.alternatives[1].gpu_type = random.chance(500) ? "A100" : "";
    }
    if (random.chance(300)) std::swap(spec.alternatives[0], spec.alternatives[1]);
    spec.setup_once = {};
  }
  if (random.chance(200)) spec.priority = static_cast<int32_t>(random.between(-2, 5));
  if (!spec.dev_container && random.chance(250)) {
    for (const auto& [id, other] : answered_) {
      if (other.spec.user == spec.user && !other.spec.dev_container && random.chance(300)) {
        const int64_t which = random.below(5);
        (which == 0 ? spec.after : which == 1 ? spec.after_fail : spec.after_ok).push_back(id);
        if (dependencies(spec).size() == 3) break;
      }
    }
  }
  Submit out{fmt::format("request-{}", ++requests_), spec, {}};
  // Found before it was submitted.
  if (has_setup_once(spec) && !waits_for_others(spec) && random.chance(300)) {
    out.setup_hit = Submit::SetupHit{spec.root.tree, 1, "chance"};
    ++out.setup_hit->tree.bytes[1];
  }
  return out;
}

void Users::submit_now_and_then() {
  if (jobs_left_-- <= 0) return;
  const Submit request = make_job();
  unanswered_.insert(request.request_id);
  submit(request, true);
  if (world_.random.chance(100))
    submit(request, false);  // a second copy, on its way beside the first
  life_.after(world_.random.spread(milliseconds(1), pause_most_),
              [this] { submit_now_and_then(); });
}

// Asked again until there is an answer; answers get lost, too.
void Users::submit(const Submit& request, bool counts) {
  const auto again = [this, request, counts] {
    world_.queue.after(world_.random.between(milliseconds(200), seconds(2)),
                       [this, request, counts] { submit(request, counts); });
  };
  if (!world_.controller.is_up()) return again();
  const auto heard = std::make_shared<bool>(false);
  world_.controller.post(request, [this, request, counts, heard](const Result<Reply>& reply) {
    if (world_.random.chance(50)) {
      world_.trace.count("fault: answer to a user lost");
      return;
    }
    *heard = true;
    if (counts) unanswered_.erase(request.request_id);
    if (!reply) {
      world_.trace.count("submission refused: " + std::string(code_name(reply.error().code)));
      return;
    }
    const auto& submitted = std::get<Submitted>(*reply);
    world_.trace.line("user  {} is job {}", request.request_id, submitted.job);
    if (!request.spec.dev_container) answered_.emplace(submitted.job, request);
    world_.checks.answered(world_, request, submitted.job);
  });
  world_.queue.after(seconds(3), [again, heard] {
    if (!*heard) again();
  });
}

// ── cancelling, signalling, giving up ──────────────────────────────────────────────────────────

void Users::meddle_now_and_then() {
  life_.after(world_.random.spread(milliseconds(50), seconds(30)),
              [this] { meddle_now_and_then(); });
  Random& random = world_.random;
  if (random.chance(150)) return drain(world_.any_node().name(), random.chance(500));
  if (random.chance(60)) return change_policy();
  if (answered_.empty()) return;
  if (random.chance(200) && cancel_what_is_ending()) return;
  const auto one =
      std::next(answered_.begin(), random.below(static_cast<int64_t>(answered_.size())));
  TaskKey task{one->first, kNoTask};
  const JobSpec& spec = one->second.spec;
  if (!spec.array.empty() && random.chance(400)) {
    task.task = array_task_at(
        spec, static_cast<uint64_t>(random.below(static_cast<int64_t>(array_size(spec)))));
  }
  if (random.chance(500)) return cancel(task, 12);
  if (random.chance(300)) cancel(task, 0);
}

// Somebody comes too late: its time limit has ended it, but not all of it.
bool Users::cancel_what_is_ending() {
  if (!world_.controller.is_up()) return false;
  for (const auto& [id, job] : world_.controller.state().jobs) {
    for (const auto& [index, task] : job.tasks) {
      if (task.outcome || task.stop != EndCause::kTimedOut) continue;
      cancel({id, world_.random.chance(500) ? kNoTask : index}, 0);
      return true;
    }
  }
  return false;
}

void Users::drain(const std::string& node, bool drained) {
  drained_[node] = drained;
  ask_to_drain(node, drained);
}

// Until it is answered, or somebody wants it otherwise.
void Users::ask_to_drain(const std::string& node, bool drained) {
  if (drained_.at(node) != drained) return;
  const auto heard = std::make_shared<bool>(false);
  if (world_.controller.is_up()) {
    world_.trace.line("user  {} {}", drained ? "drains" : "undrains", node);
    world_.controller.post(Drain{node, drained, drained ? "a fan is loud" : "", "root"},
                           [this, heard, drained](const Result<Reply>& reply) {
                             *heard = true;
                             if (!reply) return;
                             world_.trace.count(drained ? "node drained" : "node undrained");
                           });
  }
  world_.queue.after(seconds(3), [this, node, drained, heard] {
    if (!*heard) ask_to_drain(node, drained);
  });
}

// The file that a restart reads has it, too.
void Users::change_policy() {
  world_.some_policy();
  if (world_.controller.is_up()) world_.controller.post(SetPolicy{world_.policy});
  world_.trace.count("policy changed");
}

void Users::cancel(TaskKey task, int32_t signal) {
  const auto heard = std::make_shared<bool>(false);
  if (world_.controller.is_up()) {
    world_.trace.line("user  {} {}", signal == 0 ? "cancels" : "signals", to_string(task));
    world_.controller.post(Cancel{task, signal},
                           [this, task, signal, heard](const Result<Reply>& reply) {
                             *heard = true;
                             if (reply && signal == 0 && task.task == kNoTask) {
                               world_.checks.cancel_answered(world_, task.job);
                             }
                           });
  }
  if (signal != 0) return;  // nobody insists
  world_.queue.after(seconds(3), [this, task, heard] {
    if (!*heard) cancel(task, 0);
  });
}

void Users::call_lost(const std::string& node) {
  world_.called_lost.insert(node);
  ask(node);
}

// Until the controller knows no more of it: while it counts as connected it refuses.
void Users::ask(const std::string& node) {
  const auto done = std::make_shared<bool>(false);
  if (world_.controller.is_up()) {
    world_.controller.post(DeclareLost{node, node + " will not come back"},
                           [this, node, done](const Result<Reply>& reply) {
                             const bool unknown = !reply && reply.error().code == Code::kNotFound;
                             *done =
                                 reply.has_value() || unknown ||
                                 (world_.nodes.at(node)->is_up() && !world_.network.is_cut(node));
                             if (reply) world_.trace.count("node called lost by an operator");
                           });
  }
  world_.queue.after(seconds(5), [this, node, done] {
    if (!*done) ask(node);
  });
}

void Users::wind_up() {
  life_.end();
  for (const auto& [name, node] : world_.nodes) drain(name, false);
  for (const auto& [id, request] : answered_) {
    const std::vector<std::string>& argv = request.spec.program.argv;
    if (argv.size() > 1 && argv[1] == "forever") cancel({id, kNoTask}, 0);
  }
  end_endless(10);
}

// Also dev containers, and what was submitted without its user having heard of it yet.
void Users::end_endless(int rounds) {
  world_.queue.after(seconds(30), [this, rounds] {
    for (const auto& [id, job] : world_.controller.state().jobs) {
      const std::vector<std::string>& argv = job.spec.program.argv;
      if (!job.outcome && argv.size() > 1 && argv[1] == "forever") cancel({id, kNoTask}, 0);
    }
    if (rounds > 1) end_endless(rounds - 1);
  });
}

void Users::cancel_all() {
  for (const auto& [id, job] : world_.controller.state().jobs) {
    if (!job.outcome) cancel({id, kNoTask}, 0);
  }
}

}  // namespace devrun::sim
