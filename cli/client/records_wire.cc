#include "cli/client/records_wire.h"

#include "common/wire/job.h"
#include "common/wire/sample.h"

namespace devrun::cli {

namespace {

Result<AttemptRecord> from_proto(const devrun::v1::AttemptInfo& in) {
  AttemptRecord out;
  out.key = TRY(wire::from_proto(in.key()));
  out.node = in.node();
  out.state = TRY(wire::from_proto(in.state()));
  if (in.has_ending()) out.ending = TRY(wire::from_proto(in.ending()));
  out.output_bytes = in.output_bytes();
  if (in.has_wrote()) out.wrote = wire::from_proto(in.wrote());
  out.timeline = wire::from_proto(in.timeline());
  out.gpus.assign(in.gpus().begin(), in.gpus().end());
  if (in.has_usage()) out.usage = wire::from_proto(in.usage());
  return out;
}

}  // namespace

Result<JobRecord> from_proto(const devrun::v1::JobInfo& in) {
  JobRecord out;
  out.job = in.job();
  out.spec = TRY(wire::from_proto(in.spec()));
  out.env_names.assign(in.env_names().begin(), in.env_names().end());
  out.state = TRY(wire::from_proto(in.state()));
  if (in.has_ending()) out.ending = TRY(wire::from_proto(in.ending()));
  out.reason = in.reason();
  for (const auto& attempt : in.attempts()) out.attempts.push_back(TRY(from_proto(attempt)));
  out.timeline = wire::from_proto(in.timeline());
  out.queue_place = in.queue_place();
  out.expected_start = Time{in.expected_start_us()};
  if (in.has_setup()) out.setup = TRY(wire::from_proto(in.setup()));
  if (in.has_tasks()) {
    const auto& tasks = in.tasks();
    out.tasks = TaskCounts{tasks.total(),
                           tasks.running(),
                           tasks.succeeded(),
                           tasks.failed(),
                           {tasks.first_failed().begin(), tasks.first_failed().end()}};
  }
  return out;
}

VolumeRecord from_proto(const devrun::v1::VolumeInfo& in) {
  VolumeRecord out;
  out.name = in.name();
  out.owner = in.owner();
  out.driver = in.driver();
  out.created = Time{in.created_us()};
  if (const auto tree = Digest::from_bytes(in.newest_tree())) out.newest_tree = *tree;
  out.newest_taken = Time{in.newest_taken_us()};
  out.newest_files = in.newest_files();
  out.newest_bytes = in.newest_bytes();
  out.newest_number = in.newest_number();
  out.snapshots = in.snapshots();
  out.quota_bytes = in.quota_bytes();
  out.damage = in.damage();
  out.removed = Time{in.removed_us()};
  out.kept_until = Time{in.kept_until_us()};
  if (in.only_listed()) out.access = "see";
  if (in.access() == devrun::v1::SHARE_FOR_READING) out.access = "read";
  if (in.access() == devrun::v1::SHARE_FOR_WRITING) out.access = "write";
  return out;
}

SnapshotRecord from_proto(const devrun::v1::SnapshotInfo& in) {
  SnapshotRecord out;
  out.volume = in.volume();
  out.number = in.number();
  if (const auto tree = Digest::from_bytes(in.tree())) out.tree = *tree;
  out.taken = Time{in.taken_us()};
  out.files = in.files();
  out.bytes = in.bytes();
  out.changed_bytes = in.changed_bytes();
  out.message = in.message();
  out.pinned = in.pinned();
  out.jobs.assign(in.jobs().begin(), in.jobs().end());
  return out;
}

char type_letter(uint32_t type) {
  constexpr std::string_view kTypes = "?-dlcbpsd";  // by EntryType
  if (type == 0) return 0;
  return type < kTypes.size() ? kTypes[type] : '?';
}

ChangeRecord from_proto(const devrun::v1::TreeChange& in) {
  ChangeRecord out;
  out.path = "/" + in.path();
  switch (in.kind()) {
    case devrun::v1::TreeChange::CREATED:
      out.kind = ChangeRecord::Kind::kCreated;
      break;
    case devrun::v1::TreeChange::DELETED:
      out.kind = ChangeRecord::Kind::kDeleted;
      break;
    case devrun::v1::TreeChange::TYPE:
      out.kind = ChangeRecord::Kind::kType;
      break;
    case devrun::v1::TreeChange::ATTRIBUTES:
      out.kind = ChangeRecord::Kind::kAttributes;
      break;
    default:
      out.kind = ChangeRecord::Kind::kContent;
  }
  out.type_before = type_letter(in.type_before());
  out.type_after = type_letter(in.type_after());
  out.size_before = in.size_before();
  out.size_after = in.size_after();
  out.mode_before = in.mode_before();
  out.mode_after = in.mode_after();
  out.owner_changed = in.owner_changed();
  out.mtime_changed = in.mtime_changed();
  out.xattrs_changed = in.xattrs_changed();
  return out;
}

devrun::v1::LogStart to_proto(const LogBegin& in) {
  constexpr uint32_t kOut = 1, kErr = 2;
  devrun::v1::LogStart out;
  if (in.lines) out.set_lines(*in.lines);
  out.set_since_us(in.since.us);
  out.set_streams((in.out ? kOut : 0) | (in.err ? kErr : 0));
  out.set_bytes_max(in.bytes_max);
  return out;
}

NodeRecord from_proto(const devrun::v1::NodeInfo& in) {
  NodeRecord out;
  out.hello = wire::from_proto(in.hello());
  out.used = wire::from_proto(in.used());
  out.connected = in.connected();
  out.last_heard = Time{in.last_heard_us()};
  out.attempts = in.attempts();
  out.trouble = in.trouble();
  out.drained = in.drained();
  out.set_aside = in.set_aside();
  for (const auto& holder : in.gpu_holders()) {
    const auto key = wire::from_proto(holder.key());
    if (key) out.gpu_holders.push_back({*key, {holder.gpus().begin(), holder.gpus().end()}});
  }
  for (const devrun::v1::NamedCount& count : in.files()) out.files[count.name()] = count.value();
  for (const devrun::v1::GpuSample& sample : in.gpu_samples()) {
    if (const auto one = wire::from_proto(sample)) out.gpu_samples.push_back(*one);
  }
  return out;
}

}  // namespace devrun::cli
