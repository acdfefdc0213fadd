// The controller's process: the real core and the real journal (on tests/sim/disk.h), and a model of the shell around
// them, function by function: controller/rpc/core_loop.cc (batch, append, then effects and answers),
// agent_sessions.cc (held calls, what is named with its spec), agent_service.cc, agent_streams.cc and stream_hub.cc
// (output logs, OutputStored), archive.cc (ended jobs leave for the history) and server.cc (replay, DeriveRoot). Left out:
// the wire format, stdin, storage.
//
// Surprise: the journal is written in no time, and the pause of the disk comes before it or after it by chance; both are
// moments at which the process may die.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/core/step.h"
#include "controller/core/view.h"
#include "controller/journal/journal.h"
#include "tests/sim/agent.h"
#include "tests/sim/clocks.h"
#include "tests/sim/disk.h"
#include "tests/sim/event_queue.h"

namespace devrun::sim {

struct World;

// Where the process dies in its next batch that has events.
enum class DieAt { kNowhere, kBeforeAppend, kInAppend, kAfterAppend, kInEffects };

class Controller {
 public:
  using Done = std::function<void(const Result<controller::Reply>&)>;

  Controller(World& world, Clocks clocks);
  ~Controller();

  void start();
  void kill(bool power, Duration away);
  void die_in_next_batch(DieAt where, bool power, Duration away);
  void set_disk_full(bool full);
  void set_disk_pause(Duration most) { disk_pause_most_ = most; }
  void step_clock(Duration by) { clocks_.set_by = clocks_.set_by + by; }
  const Clocks& clocks() const { return clocks_; }
  // Held calls of the node are refused until then (true time), as those of an agent of another version are.
  void refuse_calls(const std::string& node, Time until) { refused_until_[node] = until; }

  bool is_up() const { return journal_ != nullptr; }
  const controller::State& state() const { return state_; }
  Time wall() const;
  void post(controller::Input input, Done done = {});
  // How much of an attempt's output is here for good.
  int64_t output_stored(const AttemptKey& key) const;
  // A job that has left memory; one that is about to, too.
  const controller::Job* in_history(JobId job) const;
  bool knows(JobId job) const {
    return controller::find_job(state_, job) != nullptr || in_history(job) != nullptr;
  }
  // As somebody is told who asks now.
  std::optional<controller::TaskView> view_ever(TaskKey task) const;
  bool is_at_rest() const { return !busy_ && queue_.empty() && expecting_.empty(); }
  // Attempts whose output has not come whole, and how much it is.
  const std::map<AttemptKey, int64_t>& expecting() const { return expecting_; }

  // ── from agents ──
  void on_synchronize(LinkId link, uint64_t call, controller::Synchronized input);
  void on_report(LinkId link, uint64_t call, controller::Reported input);
  void on_stream_start(LinkId link, const AttemptKey& key, uint64_t call, const std::string& node);
  void on_stream_chunk(LinkId link, const AttemptKey& key, uint64_t call, int64_t offset,
                       int64_t bytes);
  void on_stream_end(LinkId link, const AttemptKey& key, uint64_t call);
  void on_link_closed(LinkId link);

 private:
  struct Posted {
    controller::Input input;
    Done done;
    Work look;              // reads the state; no input
    bool recalled = false;  // what it names is there, or is nowhere
  };
  struct Batch {
    std::vector<controller::Event> events;
    std::vector<controller::Effect> effects;
    std::vector<std::pair<Done, Result<controller::Reply>>> answers;
    std::vector<Work> looks;
    bool tick = false;
    bool placed = false;  // what could be
    Time now;
  };
  struct Held {  // a node's Synchronize call
    LinkId link = 0;
    uint64_t call = 0;
    uint64_t session = 0;
    uint64_t generation = 0;
    std::set<AttemptKey> named;
  };
  struct Log {
    int64_t written = 0;
    int64_t synced = 0;
  };

  bool open();
  void tick();
  void wake();
  void run_batch();
  void take(Batch& batch, controller::Decision decision);
  void append(std::shared_ptr<Batch> batch);
  void finish(Batch& batch);
  void perform(const Batch& batch);
  void publish(const std::set<TaskKey>& tasks);
  void send(const std::string& node, const std::set<AttemptKey>& changed,
            const std::set<AttemptKey>& released);
  void open_session(const std::string& node, Held held, const std::set<AttemptKey>& observed);
  void add(DesiredMessage& message, const std::string& node, const AttemptKey& key, Held& held);
  void deliver(const std::string& node, Held& held, DesiredMessage message);
  void session_over(const std::string& node, uint64_t session);
  void expect_output(const AttemptKey& key, int64_t bytes);
  void forget_output(const AttemptKey& key);
  void look_for_stored(const AttemptKey& key);
  void derive(const controller::DeriveRoot& wanted);
  void archive_some();
  void recall_for(std::vector<JobId> jobs, Posted posted);
  std::optional<JobId> find_request(const controller::Submit& submit) const;
  void step_one(Batch& batch, Posted& posted);
  void handle(Work work);

  World& world_;
  Clocks clocks_;
  Life life_;
  std::unique_ptr<controller::Journal> journal_;
  controller::State state_;
  std::deque<Posted> queue_;
  bool busy_ = false;
  bool woken_ = false;
  bool tick_due_ = false;
  bool archiving_ = false;
  uint64_t sessions_ = 0;
  uint64_t batches_ = 0;
  std::map<std::string, Held> held_;
  std::map<LinkId, std::vector<std::pair<std::string, uint64_t>>> calls_on_;  // (node, session)
  std::map<AttemptKey, int64_t> expecting_;
  std::map<std::pair<AttemptKey, uint64_t>, bool> rewinding_;  // streams that are open

  std::map<AttemptKey, Log> logs_;            // on disk
  std::map<JobId, controller::Job> history_;  // on disk, synced
  std::map<std::string, Time> refused_until_;
  Duration disk_pause_most_ = milliseconds(2);
  DieAt die_at_ = DieAt::kNowhere;
  bool die_power_ = false;
  Duration die_away_;
};

}  // namespace devrun::sim
