#include "controller/rpc/watch_table.h"

#include "controller/rpc/job_info.h"

namespace devrun::controller {

void WatchTable::begin(const State& state) {
  begun_ = true;
  for (const auto& [id, job] : state.jobs) dirty_jobs_.insert(id);
  for (const auto& [name, node] : state.nodes) dirty_nodes_.insert(name);
}

void WatchTable::number(uint64_t& sequence, const Name& name) {
  by_sequence_.erase(sequence);
  sequence = ++sequence_;
  by_sequence_[sequence] = name;
}

void WatchTable::note_gone(Name name) {
  gone_.emplace_back(++sequence_, std::move(name));
  if (gone_.size() <= kWatchGoneMax) return;
  forgotten_ = gone_.front().first;
  gone_.pop_front();
}

void WatchTable::remove_job(JobId id) {
  const auto row = jobs_.find(id);
  if (row == jobs_.end()) return;
  by_sequence_.erase(row->second.sequence);
  jobs_.erase(row);
  note_gone(id);
}

void WatchTable::remove_node(const std::string& name) {
  const auto row = nodes_.find(name);
  if (row == nodes_.end()) return;
  by_sequence_.erase(row->second.sequence);
  nodes_.erase(row);
  note_gone(name);
}

// A job that has left the ledger keeps its row until its hour is over.
void WatchTable::refresh_job(const State& state, JobId id, Time now, Explained& known) {
  const auto found = state.jobs.find(id);
  if (found == state.jobs.end()) return;
  const Job& job = found->second;
  if (job.outcome && now - job.outcome->at >= kRecent) return remove_job(id);
  const bool is_new = jobs_.count(id) == 0;
  if (is_new && job.outcome && jobs_.size() >= kWatchRowsMax && id < jobs_.begin()->first) return;
  std::string bytes = watch_row(state, job, now, known);
  JobRow& row = jobs_[id];
  for (const auto& [index, task] : job.tasks) {
    if (task.outcome && !is_new) continue;
    for (const Rank& rank : task.ranks) dirty_nodes_.insert(rank.node);
  }
  if (job.outcome && row.live) {
    row.live = false;
    ended_.emplace(job.outcome->at, id);
    for (const auto& [index, task] : job.tasks) {
      for (const Rank& rank : task.ranks) dirty_nodes_.insert(rank.node);
    }
  }
  if (bytes == row.bytes) return;
  row.bytes = std::move(bytes);
  row.user = job.spec.user;
  row.volume = job.spec.root.volume;
  row.uid = job.spec.program.caller.uid;
  number(row.sequence, id);
}

void WatchTable::refresh_node(const State& state, const std::string& name, Time now) {
  const auto found = state.nodes.find(name);
  if (found == state.nodes.end() || found->second.lost) return remove_node(name);
  pb::NodeInfo info = node_info(state, found->second, now);
  if (info.connected()) info.clear_last_heard_us();  // now, always
  NodeRow& row = nodes_[name];
  std::string bytes = info.SerializeAsString();
  if (bytes == row.bytes) return;
  row.bytes = std::move(bytes);
  number(row.sequence, name);
}

bool WatchTable::refresh(const State& state, Time now) {
  if (!begun_) begin(state);
  Explained known;
  size_t left = kRefreshedAtOnceMax;
  // The newest first: they are what somebody looks at.
  while (left != 0 && !dirty_jobs_.empty()) {
    const JobId id = *dirty_jobs_.rbegin();
    dirty_jobs_.erase(id);
    refresh_job(state, id, now, known);
    --left;
  }
  while (left != 0 && !dirty_nodes_.empty()) {
    const std::string name = *dirty_nodes_.begin();
    dirty_nodes_.erase(name);
    refresh_node(state, name, now);
    --left;
  }
  make_room();
  return dirty_jobs_.empty() && dirty_nodes_.empty();
}

// What lives is what people watch: somebody's thousands of short jobs do not take it from their screens.
void WatchTable::make_room() {
  while (jobs_.size() > kWatchRowsMax && !ended_.empty()) {
    remove_job(ended_.begin()->second);
    ended_.erase(ended_.begin());
  }
  while (jobs_.size() > kWatchRowsMax) remove_job(jobs_.begin()->first);
}

void WatchTable::forget_ended(Time now) {
  while (!ended_.empty() && now - ended_.begin()->first >= kRecent) {
    remove_job(ended_.begin()->second);
    ended_.erase(ended_.begin());
  }
}

// A node that falls silent changes the state of what runs there.
void WatchTable::look_at_nodes(const State& state, Time now) {
  for (const auto& [name, node] : state.nodes) {
    const auto row = nodes_.find(name);
    if (row == nodes_.end()) {
      dirty_nodes_.insert(name);
      continue;
    }
    const bool silent = is_silent(state, name, now);
    if (silent == row->second.silent) continue;
    row->second.silent = silent;
    dirty_nodes_.insert(name);
    for (const AttemptKey& key : node.live) dirty_jobs_.insert(key.job);
  }
  auto row = nodes_.upper_bound(looked_up_to_node_);
  for (size_t i = 0; i < kLookedAtEachTick && i < nodes_.size(); ++i) {
    if (row == nodes_.end()) row = nodes_.begin();
    looked_up_to_node_ = row->first;
    dirty_nodes_.insert(row->first);
    ++row;
  }
}

void WatchTable::look_at_some_jobs(const State& state) {
  size_t looked = 0;
  auto row = jobs_.upper_bound(looked_up_to_);
  for (size_t i = 0; i < jobs_.size() && looked < kLookedAtEachTick; ++i) {
    if (row == jobs_.end()) row = jobs_.begin();
    looked_up_to_ = row->first;
    if (row->second.live && state.jobs.count(row->first) != 0) {
      dirty_jobs_.insert(row->first);
      ++looked;
    }
    ++row;
  }
}

void WatchTable::tick(const State& state, Time now, bool watched) {
  if (!begun_) begin(state);
  forget_ended(now);
  if (watched) {
    look_at_nodes(state, now);
    look_at_some_jobs(state);
  }
  refresh(state, now);
}

WatchTable::Place WatchTable::place_of(const std::string& epoch, uint64_t sequence) const {
  const bool known = epoch == epoch_ && sequence >= forgotten_ && sequence <= sequence_;
  if (!known || sequence == 0) return {};
  return {sequence, false, false};
}

bool WatchTable::may_see(const Who& who, bool all, const JobRow& row) {
  return who.level_on(row.user, row.volume, row.uid) >= Level::kSee &&
         (all || row.user == who.user);
}

bool WatchTable::may_see(const Who& who, bool all, JobId job) const {
  const auto row = jobs_.find(job);
  return row != jobs_.end() && may_see(who, all, row->second);
}

bool WatchTable::fill(const Who& who, bool all, Place& place, pb::WatchUpdate& update) const {
  if (!place.whole && place.sequence < forgotten_) place = {};  // it slept for too long
  const bool whole = place.whole;
  update.set_epoch(epoch_);
  update.set_whole(whole);
  size_t bytes = 0;
  uint64_t reached = sequence_;
  for (auto it = by_sequence_.upper_bound(place.sequence); it != by_sequence_.end(); ++it) {
    if (bytes > kWatchUpdateBytesMax) {
      reached = std::prev(it)->first;
      break;
    }
    if (const JobId* id = std::get_if<JobId>(&it->second)) {
      const JobRow& row = jobs_.at(*id);
      if (!may_see(who, all, row)) continue;
      update.add_jobs(row.bytes);
      bytes += row.bytes.size();
    } else {
      const NodeRow& row = nodes_.at(std::get<std::string>(it->second));
      update.add_nodes(row.bytes);
      bytes += row.bytes.size();
    }
  }
  // Somebody else's number says nothing to a reader who never saw its row.
  for (auto it = gone_.rbegin(); !whole && it != gone_.rend() && it->first > place.sequence; ++it) {
    if (const JobId* id = std::get_if<JobId>(&it->second)) {
      update.add_gone(*id);
    } else {
      update.add_gone_nodes(std::get<std::string>(it->second));
    }
  }
  place = {reached, false, reached != sequence_};
  update.set_sequence(reached);
  return whole || update.jobs_size() != 0 || update.nodes_size() != 0 || update.gone_size() != 0 ||
         update.gone_nodes_size() != 0;
}

}  // namespace devrun::controller
