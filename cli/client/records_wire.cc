#include "cli/client/records_wire.h"

#include "common/wire/job.h"

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
  return out;
}

}  // namespace devrun::cli
