#include "tests/sim/network.h"

namespace devrun::sim {

namespace {
constexpr Duration kKeepalive = seconds(10);  // controller/rpc/server.cc, agent/sync/channel.cc
constexpr Duration kLateAtMost =
    seconds(2);               // between a broken connection's last bytes and their handler
constexpr int kLateOf = 200;  // of a thousand messages that a reset catches on their way up
}  // namespace

Duration Network::latency(const std::string& node) {
  const Duration base = ways_[node].latency;
  return {base.us / 4 + random_.below(base.us + 1) +
          (random_.chance(20) ? random_.below(50'000) : 0)};
}

void Network::dial(const std::string& node, Channel channel, const LinkEnds& ends,
                   std::function<bool(LinkId)> opened) {
  life_.after(latency(node) + latency(node), [this, node, channel, ends, opened] {
    const Way& way = ways_[node];
    if (!controller_up_ || way.up_cut || way.down_cut) {
      opened(0);
      return;
    }
    const LinkId id = ++newest_;
    Link& link = links_[id];
    link.node = node;
    link.ends = ends;
    trace_.line("net   {} connects ({}, link {})", node,
                channel == Channel::kControl ? "control" : "streams", id);
    if (opened(id)) return;
    links_.at(id).agent_open = false;
    life_.after(latency(node), [this, id] { close_controller_end(id); });
  });
}

bool Network::controller_end_is_open(LinkId link) const {
  const auto it = links_.find(link);
  return it != links_.end() && it->second.controller_open;
}

void Network::send_up(LinkId link, Work arrives) {
  send(link, true, std::move(arrives));
}
void Network::send_down(LinkId link, Work arrives) {
  send(link, false, std::move(arrives));
}

void Network::send(LinkId id, bool up, Work arrives) {
  const auto it = links_.find(id);
  if (it == links_.end() || !(up ? it->second.agent_open : it->second.controller_open)) return;
  Link& link = it->second;
  Pipe& pipe = up ? link.up : link.down;
  const Way& way = ways_[link.node];
  if (up ? way.up_cut : way.down_cut) {
    pipe.held.push_back(std::move(arrives));
    return;
  }
  const Time at = std::max(pipe.last, queue_.now() + latency(link.node));
  pipe.last = at;
  pipe.flying.push_back(std::move(arrives));
  life_.after(at - queue_.now(), [this, id, up] { arrive(id, up); });
}

// The oldest on its way.
void Network::arrive(LinkId id, bool up) {
  const auto it = links_.find(id);
  if (it == links_.end()) return;
  Link& link = it->second;
  Pipe& pipe = up ? link.up : link.down;
  if (pipe.flying.empty()) return;
  const Work work = std::move(pipe.flying.front());
  pipe.flying.pop_front();
  if (up ? link.controller_open : link.agent_open) work();
}

void Network::forget_if_closed(LinkId id) {
  const auto it = links_.find(id);
  if (it != links_.end() && !it->second.agent_open && !it->second.controller_open) links_.erase(it);
}

void Network::close_agent_end(LinkId id) {
  const auto it = links_.find(id);
  if (it == links_.end() || !it->second.agent_open) return;
  it->second.agent_open = false;
  const auto closed = it->second.ends.agent_closed;
  forget_if_closed(id);
  closed(id);
}

void Network::close_controller_end(LinkId id) {
  const auto it = links_.find(id);
  if (it == links_.end() || !it->second.controller_open) return;
  Link& link = it->second;
  link.controller_open = false;
  // What has been read, and what a resend brought a moment before the end, waits for its handler.
  for (Work& work : link.up.flying) {
    if (!controller_up_ || !random_.chance(kLateOf)) continue;
    trace_.count("fault: message acted upon after its connection broke");
    life_.after(random_.between(Duration{}, kLateAtMost),
                [this, life = controller_lives_, late = std::move(work)] {
                  if (life == controller_lives_) late();
                });
  }
  link.up.flying.clear();
  const auto closed = link.ends.controller_closed;
  forget_if_closed(id);
  closed(id);
}

void Network::keepalive_finds_out(LinkId id, bool agent_end, bool controller_end) {
  const auto extra = [this] { return Duration{random_.below(1'000'000)}; };
  if (agent_end) life_.after(kKeepalive + extra(), [this, id] { close_agent_end(id); });
  if (controller_end) life_.after(kKeepalive + extra(), [this, id] { close_controller_end(id); });
}

void Network::agent_died(const std::string& node, bool machine) {
  std::vector<LinkId> mine;
  for (const auto& [id, link] : links_) {
    if (link.node == node && link.agent_open) mine.push_back(id);
  }
  const Way& way = ways_[node];
  for (const LinkId id : mine) {
    links_.at(id).agent_open = false;
    if (machine || way.up_cut) {
      keepalive_finds_out(id, false, true);
    } else {
      life_.after(latency(node), [this, id] { close_controller_end(id); });
    }
    forget_if_closed(id);
  }
}

void Network::controller_died(bool machine) {
  controller_up_ = false;
  ++controller_lives_;
  std::vector<LinkId> all;
  for (auto& [id, link] : links_) {
    if (!link.controller_open) continue;
    link.controller_open = false;
    all.push_back(id);
  }
  for (const LinkId id : all) {
    const std::string node = links_.at(id).node;
    if (machine || ways_[node].down_cut) {
      keepalive_finds_out(id, true, false);
    } else {
      life_.after(latency(node), [this, id] { close_agent_end(id); });
    }
    forget_if_closed(id);
  }
}

void Network::reset(const std::string& node) {
  std::vector<LinkId> mine;
  for (const auto& [id, link] : links_) {
    if (link.node == node) mine.push_back(id);
  }
  for (const LinkId id : mine) {
    life_.after({random_.below(20'000)}, [this, id] { close_agent_end(id); });
    life_.after({random_.below(20'000)}, [this, id] { close_controller_end(id); });
  }
}

// What is on its way goes on once the way is back, before all that is sent from now on.
void Network::hold(Pipe& pipe) {
  for (Work& work : pipe.flying) pipe.held.push_back(std::move(work));
  pipe.flying.clear();
}

void Network::cut(const std::string& node, bool up, bool down) {
  Way& way = ways_[node];
  way.up_cut |= up;
  way.down_cut |= down;
  const uint64_t number = ++way.cuts;
  for (auto& [id, link] : links_) {
    if (link.node != node) continue;
    if (way.up_cut) hold(link.up);
    if (way.down_cut) hold(link.down);
    // Pings need both directions, so both sides find out whichever is cut.
    for (const bool agent_end : {true, false}) {
      life_.after(kKeepalive + Duration{random_.below(1'000'000)},
                  [this, node, number, id = id, agent_end] {
                    const Way& now = ways_[node];
                    if (now.cuts != number || !(now.up_cut || now.down_cut)) return;
                    if (agent_end) {
                      close_agent_end(id);
                    } else {
                      close_controller_end(id);
                    }
                  });
    }
  }
}

void Network::heal(const std::string& node) {
  Way& way = ways_[node];
  if (!way.up_cut && !way.down_cut) return;
  way.up_cut = way.down_cut = false;
  ++way.cuts;
  for (auto& [id, link] : links_) {
    if (link.node != node) continue;
    for (const bool up : {true, false}) {
      Pipe& pipe = up ? link.up : link.down;
      std::deque<Work> held;
      held.swap(pipe.held);
      for (Work& work : held) send(id, up, std::move(work));
    }
    // An end that closed during the cut could not say so.
    if (!link.agent_open) life_.after(latency(node), [this, id = id] { close_controller_end(id); });
    if (!link.controller_open) life_.after(latency(node), [this, id = id] { close_agent_end(id); });
  }
}

void Network::heal_all() {
  for (const auto& [node, way] : ways_) heal(node);
}

bool Network::is_cut(const std::string& node) const {
  const auto it = ways_.find(node);
  return it != ways_.end() && (it->second.up_cut || it->second.down_cut);
}

}  // namespace devrun::sim
