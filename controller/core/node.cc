// Nodes come, go silent, come back, come back as others, are declared lost. A broken connection or
// a restarted agent ends nothing; only a new boot, an operator's word, or an agent that has
// forgotten what it had reported does.
#include <fmt/format.h>

#include <utility>

#include "controller/core/restore.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

// Output of attempts that had ended is not told to be there any more.
void forget_output(Turn& turn, const std::set<AttemptKey>& gone) {
  for (const AttemptKey& key : gone) {
    turn.act(ForgetOutput{key});
    turn.act(TaskChanged{key.task_key()});
  }
}

// Every attempt that lives on the node is over.
std::vector<AttemptKey> lose(Turn& turn, const std::string& name, const std::string& reason) {
  const std::set<AttemptKey> live = turn.state.nodes.at(name).live;
  turn.happened(NodeDeclaredLost{name, reason});
  NodePresence& presence = turn.presence(name);
  presence.usage.clear();
  forget_output(turn, std::exchange(presence.retained, {}));
  std::set<TaskKey> tasks;
  for (const AttemptKey& key : live) tasks.insert(key.task_key());
  for (const TaskKey& task : tasks) {
    turn.act(TaskChanged{task});
    rank_ended(turn, task);
  }
  return {live.begin(), live.end()};
}

void join(Turn& turn, const NodeHello& hello) {
  const auto known = turn.state.nodes.find(hello.name);
  if (known == turn.state.nodes.end()) {
    turn.happened(NodeJoined{hello});
    return;
  }
  if (known->second.hello.boot_id != hello.boot_id && !known->second.live.empty()) {
    lose(turn, hello.name, fmt::format("{} was restarted while it ran", hello.name));
  }
  const bool is_awaited = turn.state.restored.awaited.contains(hello.name);
  if (known->second.lost || is_awaited || known->second.hello != hello) {
    turn.happened(NodeJoined{hello});
  }
}

}  // namespace

void synchronize(Turn& turn, const Synchronized& input) {
  const std::string& name = input.hello.name;
  const bool first_since_backup = turn.state.restored.awaited.contains(name);
  join(turn, input.hello);
  NodePresence& presence = turn.presence(name);
  turn.state.schedule.node_changed(name);
  presence.session = input.session;
  presence.last_heard = turn.now;
  presence.trouble = input.trouble;
  presence.files = input.files;
  presence.silent = {};
  presence.usage.clear();
  presence.waits.clear();
  std::set<AttemptKey> awaited = std::exchange(presence.retained, {});
  presence.strays.clear();
  std::set<AttemptKey> known;
  for (const ObservedAttempt& observed : input.observed) {
    known.insert(observed.key);
    report(turn, name, observed, true);
  }
  std::erase_if(awaited, [&](const AttemptKey& key) { return has_output(presence, key); });
  forget_output(turn, awaited);
  const std::set<AttemptKey> live = turn.state.nodes.at(name).live;
  for (const AttemptKey& key : live) {
    turn.act(TaskChanged{key.task_key()});  // it may have been UNREACHABLE
    const Rank& rank = *find_rank(turn.state, key);
    if (known.count(key) != 0 || !rank.reported) continue;
    ObservedAttempt gone;
    gone.key = key;
    gone.phase = Phase::kEnded;
    gone.timeline = rank.timeline;
    gone.ending =
        first_since_backup
            ? lost_with_backup(turn.state, key.task_key())
            : Ending{EndCause::kLost, 125, fmt::format("{} knows nothing of it any more", name),
                     "devrun logs " + to_string(key.task_key()) + ", and submit it again"};
    turn.happened(AttemptReported{name, gone});
    rank_ended(turn, key.task_key());
  }
}

// Its reports are answered, which renews its leases: it is not silent, even if its held call is refused or broken.
void heard(Turn& turn, const std::string& node) {
  const auto it = turn.state.presence.nodes.find(node);
  if (it == turn.state.presence.nodes.end()) return;
  it->second.silent = {};
  if (it->second.session == 0) it->second.last_heard = turn.now;
}

// What agents say again is no event: a restarted controller hears it with the next hello.
void set_trouble(Turn& turn, const std::string& node, const std::string& trouble) {
  const auto it = turn.state.presence.nodes.find(node);
  if (it == turn.state.presence.nodes.end() || it->second.trouble == trouble) return;
  it->second.trouble = trouble;
  turn.state.schedule.node_changed(node);
}

void set_files(Turn& turn, const std::string& node, const Counts& files) {
  const auto it = turn.state.presence.nodes.find(node);
  if (it != turn.state.presence.nodes.end()) it->second.files = files;
}

void node_gone(Turn& turn, const NodeGone& input) {
  const auto it = turn.state.presence.nodes.find(input.node);
  if (it == turn.state.presence.nodes.end() || it->second.session != input.session) return;
  it->second.session = 0;
  turn.state.schedule.node_changed(input.node);
  it->second.last_heard = turn.now;
}

Result<Reply> declare_lost(Turn& turn, const DeclareLost& input) {
  const auto it = turn.state.nodes.find(input.node);
  if (it == turn.state.nodes.end()) {
    return Error{Code::kNotFound, fmt::format("there is no node '{}'", input.node), "devrun nodes"};
  }
  if (is_connected(turn.state, input.node)) {
    return Error{
        Code::kConflict,
        fmt::format("node {} is connected, so what runs there is known and goes on", input.node),
        "devrun cancel JOB (devrun nodes lost is for a machine that will not come back)"};
  }
  return Reply{DeclaredLost{lose(turn, input.node, input.reason)}};
}

Result<Reply> drain(Turn& turn, const Drain& input) {
  const auto it = turn.state.nodes.find(input.node);
  if (it == turn.state.nodes.end()) {
    return Error{Code::kNotFound, fmt::format("there is no node '{}'", input.node), "devrun nodes"};
  }
  const Node& node = it->second;
  const bool changes = input.drained ? node.drained != input.reason
                                     : !node.drained.empty() ||
                                           turn.state.schedule.failed_starts(input.node) != nullptr;
  if (changes) {
    turn.happened(NodeDrained{input.node, input.drained, input.reason, input.user});
    for (const AttemptKey& key : node.live) turn.act(TaskChanged{key.task_key()});
  }
  return Reply{};
}

}  // namespace devrun::controller
