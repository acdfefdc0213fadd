// The agent's process: the real agent/core, and a model of the shell around it, function by function: agent/sync/agent.cc
// (feed, effects, runners with a worker each, leases), synchronize.cc (the held call, generations, back-off) and
// reports.cc (one report at a time, merged news, deadline). The wire format, sessions and files are left out.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/core/reconcile.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"

namespace devrun::sim {

struct World;
class Node;

// One message of Synchronize (proto/devrun/v1/agent.proto, DesiredState).
struct DesiredMessage {
  uint64_t generation = 0;
  agent::Desired state;
};

class Agent {
 public:
  Agent(World& world, Node& node);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void begin();
  // devrun-fs is gone (or back, if empty); for good: what runs has lost its files.
  void on_files(const std::string& trouble, bool for_good);
  // It was told to end, and its node leaves: until it is started anew.
  void leave();
  // What the node says of itself has changed.
  void hello_changed() { dial(); }

  // ── what comes from the controller ──
  void on_message(uint64_t call, const DesiredMessage& message);
  void on_call_over(uint64_t call);  // Synchronize has ended
  void on_answer(uint64_t call, bool ok);
  void on_stream_from(const AttemptKey& key, uint64_t call, int64_t offset);
  void on_stream_done(const AttemptKey& key, uint64_t call);
  void on_stream_refused(const AttemptKey& key, uint64_t call);

  const agent::State& state() const { return state_; }
  bool is_at_rest() const;
  // When a call that has been answered was sent; boot clock.
  Time answered() const { return answered_; }

 private:
  struct Stream {  // agent/sync/streams.cc
    bool open = false;
    uint64_t call = 0;
    std::optional<int64_t> next;
    int64_t size = 0;
    std::optional<int64_t> final_size;
    bool end_sent = false;
    int tries = 0;
  };
  struct Runner {
    Time busy_until;  // its worker does one thing after the other
    Duration lease;
    bool linked = false;
    bool closing = false;  // being released
    bool abandoned = false;
    Stream stream;
  };
  // A channel: connects again whenever its connection is gone and something waits for it.
  struct Line {
    LinkId link = 0;
    bool dialling = false;
    int tries = 0;
    std::deque<std::function<void(LinkId)>> waiting;
  };

  void feed(const agent::Input& input);
  void arrange_tick();
  void work(const AttemptKey& key, Duration takes, Work done);
  Duration pause(int& tries);

  // ── lines ──
  void when_connected(Channel channel, std::function<void(LinkId)> call);
  void dial_line(Channel channel);
  void on_line_closed(Channel channel, LinkId link);

  // ── Synchronize ──
  void dial();
  void on_done();

  // ── Report ──
  void tell(const ObservedAttempt& observed);
  void tell_trouble();
  void sign_of_life();
  void try_now();
  bool has_news() const { return !pending_.empty() || trouble_pending_.has_value(); }
  void send_report();
  void report_now_and_then();

  void on_answered(Time sent);
  void renew(const AttemptKey& key);
  void link(const AttemptKey& key);
  void open_stream(const AttemptKey& key);
  void pump(const AttemptKey& key);
  void stream_broke(const AttemptKey& key);

  void perform(const agent::StartAttempt& effect);
  void set_up(const AttemptKey& key, int64_t waits_left);
  void perform(const agent::AbandonStart& effect);
  void perform(const agent::LinkShim& effect);
  void perform(const agent::Inspect& effect);
  void perform(const agent::OpenStreams& effect);
  void perform(const agent::EndOutput& effect);
  void perform(const agent::Remember& effect);
  void perform(const agent::Go& effect);
  void perform(const agent::FirstRankEnded& effect);
  void perform(const agent::SignalProgram& effect);
  void perform(const agent::KillAll& effect);
  void perform(const agent::Measure& effect);
  void perform(const agent::LeaveResults& effect);
  void perform(const agent::Report& effect);
  void perform(const agent::Release& effect);
  void measure(const AttemptKey& key);

  World& world_;
  Node& node_;
  Life life_;
  agent::State state_;
  std::optional<Time> tick_at_;
  std::string trouble_;
  Time answered_;  // boot clock
  std::map<AttemptKey, Runner> runners_;
  Line control_, streams_;

  uint64_t call_ = 0;  // of Synchronize
  LinkId call_link_ = 0;
  Time dialled_at_;
  std::optional<uint64_t> generation_;
  int dials_ = 0;

  std::map<AttemptKey, ObservedAttempt> pending_, sent_;
  std::optional<std::string> trouble_pending_, trouble_sent_;
  uint64_t report_ = 0;  // under way; 0: none
  uint64_t reports_ = 0;
  LinkId report_link_ = 0;
  Time report_sent_;
  bool pausing_ = false;
  uint64_t pauses_ = 0;
  int report_tries_ = 0;
};

}  // namespace devrun::sim
