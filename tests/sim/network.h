// Connections between agents and the controller as TCP and gRPC's keepalive show them: bytes arrive in order or not at
// all within one connection, and in no order between two; a connection that is cut keeps what it carries until the
// keepalive ends it; what the other side had already read when a connection broke may still be acted upon late.
//
// A node's way to the controller can be cut in one direction or both. Nobody is told: both sides find out.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "tests/sim/event_queue.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

namespace devrun::sim {

using LinkId = uint64_t;
enum class Channel { kControl, kStreams };  // agent/sync/channel.h: a connection of its own each

struct LinkEnds {
  // Both sides' ends close once each, for whatever reason.
  std::function<void(LinkId)> agent_closed;
  std::function<void(LinkId)> controller_closed;
};

class Network {
 public:
  Network(EventQueue& queue, Random& random, Trace& trace)
      : queue_(queue), random_(random), trace_(trace), life_(queue) {}

  // One try; `opened` with 0 if nothing answers. It says whether there is still somebody who wanted it.
  void dial(const std::string& node, Channel channel, const LinkEnds& ends,
            std::function<bool(LinkId)> opened);
  // What is sent on a connection that is closed, or will be before it arrives, is lost.
  void send_up(LinkId link, Work arrives);
  void send_down(LinkId link, Work arrives);
  bool controller_end_is_open(LinkId link) const;

  // A process has died: the kernel closes its ends. A machine that is gone says nothing.
  void agent_died(const std::string& node, bool machine);
  void controller_died(bool machine);
  void set_controller_up(bool up) { controller_up_ = up; }

  // ── faults ──
  void reset(const std::string& node);  // all connections of the node
  void cut(const std::string& node, bool up, bool down);
  void heal(const std::string& node);
  void heal_all();
  bool is_cut(const std::string& node) const;
  void set_slow(const std::string& node, Duration latency) { ways_[node].latency = latency; }

 private:
  struct Pipe {
    Time last;                // nothing arrives before what was sent before it
    std::deque<Work> held;    // by a cut
    std::deque<Work> flying;  // in order of arrival
  };
  struct Link {
    std::string node;
    LinkEnds ends;
    bool agent_open = true;
    bool controller_open = true;
    Pipe up;
    Pipe down;
  };
  struct Way {
    bool up_cut = false;
    bool down_cut = false;
    uint64_t cuts = 0;  // to tell one cut from the next
    Duration latency = milliseconds(1);
  };

  void send(LinkId link, bool up, Work arrives);
  void arrive(LinkId link, bool up);
  static void hold(Pipe& pipe);
  void close_agent_end(LinkId link);
  void close_controller_end(LinkId link);
  void forget_if_closed(LinkId link);
  void keepalive_finds_out(LinkId link, bool agent_end, bool controller_end);
  Duration latency(const std::string& node);

  EventQueue& queue_;
  Random& random_;
  Trace& trace_;
  Life life_;
  std::map<LinkId, Link> links_;
  std::map<std::string, Way> ways_;
  LinkId newest_ = 0;
  bool controller_up_ = false;
  uint64_t controller_lives_ = 0;
};

}  // namespace devrun::sim
