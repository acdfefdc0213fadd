#include "cli/top/rows.h"

#include <fmt/format.h>

namespace devrun::cli {

namespace {

tui::AttemptRow row_of(const AttemptRecord& attempt) {
  std::string ending;
  if (attempt.ending) {
    ending = fmt::format("exit {}", attempt.ending->status);
    if (!attempt.ending->reason.empty()) ending += ": " + attempt.ending->reason;
  }
  return {attempt.key,
          attempt.node,
          attempt.state,
          ending,
          attempt.output_bytes,
          attempt.gpus,
          attempt.usage.value_or(Usage{}),
          attempt.timeline.started,
          attempt.timeline.ended};
}

uint64_t tasks_of(const JobSpec& spec) {
  uint64_t tasks = 0;
  for (const ArrayRange& range : spec.array) {
    if (range.step > 0 && range.last >= range.first) {
      tasks +=
          static_cast<uint64_t>(range.last - range.first) / static_cast<uint64_t>(range.step) + 1;
    }
  }
  return tasks;
}

// The job's own times, and where they are its first attempt's, those.
Timeline timeline_of(const JobRecord& job) {
  Timeline out = job.timeline;
  for (const AttemptRecord& attempt : job.attempts) {
    const Timeline& at = attempt.timeline;
    if (out.placed.us == 0) out.placed = at.placed;
    if (out.mounted.us == 0) out.mounted = at.mounted;
    if (out.started.us == 0) out.started = at.started;
    if (out.first_byte.us == 0) out.first_byte = at.first_byte;
    out.ended = std::max(out.ended, at.ended);
  }
  return out;
}

tui::HomeRow home_of(const JobRecord& job) {
  tui::HomeRow out;
  for (const AttemptRecord& attempt : job.attempts) {
    if (!attempt.wrote || !attempt.wrote->home) continue;
    const HomeSummary& home = *attempt.wrote->home;
    out.files += home.files;
    out.bytes += home.bytes;
    out.conflicts += home.conflicts;
    for (const WrittenFile& file : home.conflicting) {
      if (out.conflicting.size() < kNotableFilesMax) out.conflicting.push_back(file.path);
    }
    out.kept += home.kept;
    out.failed = out.failed || !home.failure.empty();
  }
  return out;
}

}  // namespace

tui::JobRow row_of(const JobRecord& job) {
  tui::JobRow row;
  row.id = job.job;
  row.state = job.state;
  row.user = job.spec.user;
  row.volume = job.spec.root.volume;
  row.name = job.spec.name;
  row.command = shown_command(job);
  row.reason = job.reason;
  row.snapshot = job.spec.root.live ? "live" : job.spec.root.tree.short_hex();
  row.cwd = job.spec.program.cwd;
  row.env_names = job.env_names;
  for (const AttemptRecord& attempt : job.attempts) row.attempts.push_back(row_of(attempt));
  if (job.ending) row.ending = *job.ending;
  row.per_node = job.spec.per_node;
  row.ranks = job.spec.nodes;
  row.tasks = tasks_of(job.spec);
  if (job.tasks) row.progress = *job.tasks;
  row.timeline = row.tasks != 0 ? job.timeline : timeline_of(job);
  row.labels = job.spec.labels;
  row.priority = job.spec.priority;
  row.dev_container = job.spec.dev_container;
  row.tty = job.spec.program.tty;
  row.time_limit = job.spec.time_limit;
  row.retries = job.spec.retries;
  row.pool = job.spec.pool;
  row.home = home_of(job);
  row.queue_place = job.queue_place;
  row.expected_start = job.expected_start;
  row.search = tui::search_text(row);
  return row;
}

tui::NodeRow row_of(const NodeRecord& node) {
  tui::NodeRow row;
  row.name = node.hello.name;
  row.connected = node.connected;
  if (!node.connected) row.last_heard = node.last_heard;
  row.total = node.hello.total;
  row.used = node.used;
  row.attempts = node.attempts;
  row.gpus = node.hello.gpus;
  for (const auto& holder : node.gpu_holders) row.holders.push_back({holder.key, holder.gpus});
  row.drained = !node.drained.empty();
  row.trouble = !node.trouble.empty()   ? node.trouble
                : !node.drained.empty() ? "drained: " + node.drained
                                        : node.set_aside;
  row.files = node.files;
  return row;
}

tui::Pushed pushed_of(const WatchNews& news) {
  tui::Pushed out;
  out.whole = news.whole;
  out.now = news.now;
  out.gone = news.gone;
  out.gone_nodes = news.gone_nodes;
  out.loads = news.loads;
  for (const JobRecord& job : news.jobs) out.jobs.push_back(row_of(job));
  for (const NodeRecord& node : news.nodes) out.nodes.push_back(row_of(node));
  return out;
}

tui::QueueFetched queue_of(const QueueRecord& queue) {
  tui::QueueFetched out;
  out.waiting = queue.waiting;
  out.rows = queue.jobs;
  return out;
}

tui::VolumeRow row_of(const VolumeRecord& volume) {
  return {volume.name,         volume.owner,       volume.snapshots,    volume.newest_files,
          volume.newest_bytes, volume.quota_bytes, volume.newest_taken, volume.damage};
}

tui::SnapshotRow row_of(const SnapshotRecord& snapshot) {
  return {snapshot.number, snapshot.tree.short_hex(), snapshot.taken,   snapshot.files,
          snapshot.bytes,  snapshot.changed_bytes,    snapshot.message, snapshot.pinned,
          snapshot.jobs};
}

}  // namespace devrun::cli
