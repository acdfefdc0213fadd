#include "tests/sim/faults.h"

#include "tests/sim/world.h"

namespace devrun::sim {

Faults::Faults(World& world) : world_(world), life_(world.queue) {
  of_controller();
  of_nodes();
  of_network();
}

Duration Faults::outage() {
  return world_.random.spread(milliseconds(100), seconds(200));
}

void Faults::of_controller() {
  Random& random = world_.random;
  const auto away = [&random] { return random.spread(milliseconds(50), seconds(90)); };
  kinds_.push_back({"controller killed", [=, this] { world_.controller.kill(false, away()); }});
  kinds_.push_back({"controller loses power", [=, this] { world_.controller.kill(true, away()); }});
  const auto in_batch = [=, this](DieAt where) {
    return [=, this] {
      world_.controller.die_in_next_batch(where, world_.random.chance(700), away());
    };
  };
  kinds_.push_back({"controller dies before it writes", in_batch(DieAt::kBeforeAppend)});
  kinds_.push_back({"controller dies while it writes", in_batch(DieAt::kInAppend)});
  kinds_.push_back({"controller dies before effects", in_batch(DieAt::kAfterAppend)});
  kinds_.push_back({"controller dies amid effects", in_batch(DieAt::kInEffects)});
  kinds_.push_back({"controller's disk full", [this] {
                      world_.controller.set_disk_full(true);
                      world_.queue.after(world_.random.spread(milliseconds(500), seconds(30)),
                                         [this] { world_.controller.set_disk_full(false); });
                    }});
  kinds_.push_back({"controller's disk slow", [this] {
                      world_.controller.set_disk_pause(seconds(3));
                      world_.queue.after(world_.random.between(seconds(1), seconds(30)), [this] {
                        world_.controller.set_disk_pause(milliseconds(2));
                      });
                    }});
  kinds_.push_back({"controller's clock set", [this] {
                      world_.controller.step_clock(
                          world_.random.between(seconds(-300), seconds(300)));
                    }});
}

void Faults::of_nodes() {
  kinds_.push_back({"agent killed", [this] {
                      Node& node = world_.any_node();
                      node.kill_agent();
                      world_.queue.after(outage(), [&node] { node.start_agent(); });
                    }});
  kinds_.push_back({"node leaves", [this] {
                      Node& node = world_.any_node();
                      if (!node.has_agent() || node.hello.dev_containers) return;
                      node.agent()->leave();
                      world_.queue.after(outage(), [&node] {
                        node.kill_agent();
                        node.start_agent();
                      });
                    }});
  kinds_.push_back({"node rebooted", [this] {
                      Node& node = world_.any_node();
                      node.lose_power();
                      world_.queue.after(outage(), [&node] {
                        node.power_up();
                        node.start_agent();
                      });
                    }});
  kinds_.push_back({"node gone for good", [this] {
                      Node& node = world_.any_node();
                      if (gone_.size() + 2 >= world_.nodes.size() || node.hello.dev_containers)
                        return;
                      node.lose_power();
                      gone_.push_back(node.name());
                      if (world_.random.chance(500)) {
                        world_.queue.after(
                            outage(), [this, name = node.name()] { world_.users.call_lost(name); });
                      }
                    }});
  kinds_.push_back({"living node called lost", [this] {
                      Node& node = world_.any_node();
                      world_.network.cut(node.name(), true, true);
                      world_.queue.after(seconds(12), [this, name = node.name()] {
                        world_.users.call_lost(name);
                      });
                      world_.queue.after(seconds(12) + outage(),
                                         [this, name = node.name()] { world_.network.heal(name); });
                    }});
  kinds_.push_back({"shim killed", [this] {
                      if (world_.living.empty()) return;
                      const auto one = std::next(
                          world_.living.begin(),
                          world_.random.below(static_cast<int64_t>(world_.living.size())));
                      world_.nodes.at(one->second.node)->kill_shim(one->first);
                    }});
  kinds_.push_back({"node's clock set", [this] {
                      Clocks& clocks = world_.any_node().clocks;
                      clocks.set_by =
                          clocks.set_by + world_.random.between(seconds(-300), seconds(300));
                    }});
  kinds_.push_back({"GPU fails", [this] {
                      Node& node = world_.any_node();
                      if (node.hello.gpus.empty()) return;
                      const int64_t which =
                          world_.random.below(static_cast<int64_t>(node.hello.gpus.size()));
                      const auto say = [&node, which](const std::string& trouble) {
                        node.hello.gpus.at(static_cast<size_t>(which)).trouble = trouble;
                        if (node.has_agent()) node.agent()->hello_changed();
                      };
                      say("XID 79: it has fallen off the bus");
                      world_.queue.after(outage(), [say] { say(""); });
                    }});
  kinds_.push_back({"devrun-fs away", [this] {
                      Node& node = world_.any_node();
                      node.files_in_trouble = true;
                      const bool for_good = world_.random.chance(300);
                      if (node.has_agent())
                        node.agent()->on_files("devrun-fs does not answer", for_good);
                      world_.queue.after(outage(), [&node] {
                        node.files_in_trouble = false;
                        if (node.has_agent()) node.agent()->on_files("", false);
                      });
                    }});
}

void Faults::of_network() {
  const auto cut = [this](bool up, bool down) {
    return [this, up, down] {
      const std::string name = world_.any_node().name();
      world_.network.cut(name, up, down);
      world_.queue.after(outage(), [this, name] { world_.network.heal(name); });
    };
  };
  kinds_.push_back({"node cut off", cut(true, true)});
  kinds_.push_back({"node cut off, upwards", cut(true, false)});
  kinds_.push_back({"node cut off, downwards", cut(false, true)});
  kinds_.push_back({"all nodes cut off", [this] {
                      for (const auto& [name, node] : world_.nodes) {
                        world_.network.cut(name, true, true);
                      }
                      world_.queue.after(outage(), [this] { world_.network.heal_all(); });
                    }});
  kinds_.push_back(
      {"connections reset", [this] { world_.network.reset(world_.any_node().name()); }});
  kinds_.push_back({"slow way", [this] {
                      const std::string name = world_.any_node().name();
                      world_.network.set_slow(name, seconds(2));
                      world_.queue.after(outage(), [this, name] {
                        world_.network.set_slow(name, milliseconds(1));
                      });
                    }});
  kinds_.push_back({"held call refused", [this] {
                      const std::string name = world_.any_node().name();
                      world_.controller.refuse_calls(
                          name,
                          world_.queue.now() + world_.random.between(seconds(1), seconds(200)));
                      world_.network.reset(name);
                    }});
}

void Faults::begin(Time until) {
  until_ = until;
  pause_most_ = seconds(world_.random.one_of(std::vector<int64_t>{2, 10, 60}));
  std::vector<Kind> some;
  for (const Kind& kind : kinds_) {
    if (world_.random.chance(450)) some.push_back(kind);
  }
  kinds_ = std::move(some);
  if (!kinds_.empty()) now_and_then();
}

void Faults::now_and_then() {
  life_.after(world_.random.between(milliseconds(20), pause_most_), [this] {
    const Kind& kind = world_.random.one_of(kinds_);
    world_.trace.count(std::string("fault: ") + kind.name);
    world_.trace.line("fault {}", kind.name);
    kind.happen();
    now_and_then();
  });
}

void Faults::end() {
  life_.end();
  world_.controller.set_disk_full(false);
  world_.controller.set_disk_pause(milliseconds(2));
  world_.controller.die_in_next_batch(DieAt::kNowhere, false, {});
  world_.network.heal_all();
  world_.doubled_per_thousand = 0;
  for (const auto& [name, node] : world_.nodes) {
    world_.controller.refuse_calls(name, world_.queue.now());
    world_.network.set_slow(name, milliseconds(1));
    node->files_in_trouble = false;
    if (std::find(gone_.begin(), gone_.end(), name) != gone_.end()) {
      world_.users.call_lost(name);
      continue;
    }
    node->power_up();
    node->start_agent();
    if (node->has_agent()) node->agent()->on_files("", false);
  }
}

}  // namespace devrun::sim
