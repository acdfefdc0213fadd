// One event at a time in a large cluster that is full: 10,000 nodes, 100,000 waiting jobs of 1,000 shapes and 200 users,
// gangs with reservations among them. The mix is of ends, news, submissions, nodes that go and come, and ticks.
#include <fmt/format.h>

#include <map>

#include "bench/sched_core/scenarios.h"
#include "bench/sched_core/scene.h"

namespace devrun::bench {

using namespace controller;

namespace {

constexpr uint64_t kShapes = 1000;
constexpr uint64_t kUsers = 200;
constexpr Duration kBetweenEvents = milliseconds(20);

// A tenth are gangs of whole nodes, the others ask for some of the GPUs; a fifth of all have no time limit.
JobSpec job_of_shape(uint64_t shape, uint64_t user) {
  static constexpr const char* kTypes[] = {"", "A100", "H100", "L40S", "V100"};
  JobSpec spec = developers_job(user);
  spec.user = fmt::format("user{}", user);
  spec.program.sealed_env.clear();
  const auto n = static_cast<int64_t>(shape);
  spec.per_node = {(1 + n % 8) * 1000, (4 + n % 61) << 30, static_cast<int32_t>(1 + n % 4),
                   kTypes[n % 5]};
  spec.time_limit = n % 5 == 0 ? Duration{} : seconds(600 + 60 * n);
  if (n % 10 == 3) {
    spec.nodes = static_cast<uint32_t>(2 << (n / 10 % 6));
    spec.per_node = {32'000, (64 + n % 7) << 30, 8, kTypes[n % 5]};
  }
  return spec;
}

class Cluster {
 public:
  explicit Cluster(const Settings& settings) : settings_(settings) {}

  void fill() {
    for (uint64_t n = 0; n < settings_.nodes; ++n) started(scene_.put(scene_.hello(node_hello(n))));
    std::vector<Input> inputs;
    // Enough for the nodes to be full, and then what waits.
    while (scene_.state.schedule.waits().size() < settings_.jobs) {
      inputs.clear();
      for (uint64_t i = 0; i < 1000; ++i) inputs.push_back(next_submission());
      started(scene_.run(inputs));
      scene_.now = scene_.now + seconds(1);
    }
    scene_.put(Tick{});
  }

  // The next of the mix, and its name.
  std::pair<const char*, Input> next() {
    scene_.now = scene_.now + kBetweenEvents;
    if (scene_.now - ticked_ >= seconds(1)) {
      ticked_ = scene_.now;
      return {"tick", Tick{}};
    }
    const uint64_t dice = random_() % 100;
    if (gone_ && dice < 50) return {"node joins", come_back()};
    if (dice < 3) return {"node leaves", leave()};
    if (dice < 50) return {"rank ends", report(Phase::kEnded)};
    if (dice < 65) return {"rank runs", report(Phase::kRunning)};
    return {"submission", next_submission()};
  }

  void started(const std::vector<SendDesired>& sent) {
    for (const SendDesired& one : sent) live_.push_back(one);
  }
  Scene& scene() { return scene_; }

 private:
  Input next_submission() {
    const uint64_t shape = random_() % kShapes;
    return scene_.submission(job_of_shape(shape, random_() % kUsers));
  }
  Input leave() {
    gone_ = random_() % settings_.nodes;
    const std::string name = node_hello(*gone_).name;
    return NodeGone{name, scene_.state.presence.nodes.at(name).session};
  }
  Input come_back() {
    Synchronized hello = scene_.hello(node_hello(*gone_));
    gone_.reset();
    for (const AttemptKey& key : scene_.state.nodes.at(hello.hello.name).live) {
      hello.observed.push_back(observed(key, Phase::kRunning, scene_.now));
    }
    return hello;
  }
  Input report(Phase phase) {
    const size_t at = random_() % live_.size();
    const SendDesired of = live_[at];
    if (phase == Phase::kEnded) {
      live_[at] = live_.back();
      live_.pop_back();
    }
    return Reported{of.node, {observed(of.key, phase, scene_.now)}};
  }

  const Settings& settings_;
  Scene scene_;
  std::mt19937_64 random_{1};
  std::vector<SendDesired> live_;
  std::optional<uint64_t> gone_;
  Time ticked_;
};

}  // namespace

Status one_event(const Settings& settings, std::vector<Row>& rows) {
  Cluster cluster(settings);
  cluster.fill();
  Scene& scene = cluster.scene();
  const size_t reserved = scene.state.schedule.reservations().size();
  std::map<std::string, std::vector<double>> cpu;
  std::vector<double> all_cpu;
  std::vector<double> all_wall;
  size_t placed = 0;
  for (uint64_t n = 0; n < settings.events; ++n) {
    const auto [name, input] = cluster.next();
    const double wall = wall_s();
    const double before = thread_cpu_s();
    const std::vector<SendDesired> sent = scene.put(input);
    all_cpu.push_back((thread_cpu_s() - before) * 1000);
    all_wall.push_back((wall_s() - wall) * 1000);
    cpu[name].push_back(all_cpu.back());
    placed += sent.size();
    cluster.started(sent);
  }
  const Spread of = spread(all_cpu);
  rows.push_back(
      {"one event, CPU p99", "ms", of.p99, 10, false,
       fmt::format("{} nodes, {} jobs wait in {} shapes, {} reservations, {} ranks placed",
                   settings.nodes, scene.state.schedule.waits().size(),
                   scene.state.schedule.waits().shapes().size(), reserved, placed)});
  rows.push_back({"… p50", "ms", of.p50});
  rows.push_back({"… max", "ms", of.max});
  rows.push_back({"… p99 by the wall's clock", "ms", spread(all_wall).p99, 10});
  for (auto& [name, values] : cpu) {
    const Spread one = spread(values);
    rows.push_back(
        {fmt::format("… {}: p99", name), "ms", one.p99, 0, false,
         fmt::format("p50 {:.3f}, max {:.2f}, {} times", one.p50, one.max, values.size())});
  }
  return ok();
}

}  // namespace devrun::bench
