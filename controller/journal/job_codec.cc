#include "controller/journal/job_codec.h"

#include <fmt/format.h>
#include <zstd.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/wire/attempt.h"
#include "common/wire/job.h"
#include "devrun/v1/history.pb.h"

namespace devrun::controller {

namespace {

namespace pb = devrun::v1;
using wire::from_proto;
using wire::to_proto;

constexpr int kLevel = 3;
// An array of 100,000 tasks with all that may be told of each takes some 100 MB.
constexpr uint64_t kRecordBytesMax = 1ULL << 30;

Error corrupt(std::string_view why) {
  return {Code::kCorrupt, fmt::format("the record of a job cannot be read: {}", why), {}};
}

std::string bytes_of(const Digest& digest) {
  return digest.is_zero() ? std::string() : std::string(digest.view());
}

Result<Digest> digest_of(std::string_view bytes) {
  if (bytes.empty()) return Digest{};
  const auto digest = Digest::from_bytes(bytes);
  if (!digest) return corrupt("a tree whose name is none");
  return *digest;
}

pb::OutcomeRecord record_of(const Outcome& in) {
  pb::OutcomeRecord out;
  out.set_state(to_proto(in.state));
  *out.mutable_ending() = to_proto(in.ending);
  out.set_at_us(in.at.us);
  return out;
}

Result<Outcome> outcome_of(const pb::OutcomeRecord& in) {
  return Outcome{TRY(from_proto(in.state())), TRY(from_proto(in.ending())), {in.at_us()}};
}

pb::RankRecord record_of(const Rank& in) {
  pb::RankRecord out;
  out.set_node(in.node);
  out.set_phase(static_cast<pb::Phase>(in.phase));
  out.set_reported(in.reported);
  out.set_setup_done(in.setup_done);
  if (in.ending) *out.mutable_ending() = to_proto(*in.ending);
  out.set_output_bytes(in.output_bytes);
  if (in.wrote) *out.mutable_wrote() = to_proto(*in.wrote);
  *out.mutable_timeline() = to_proto(in.timeline);
  out.mutable_gpus()->Add(in.gpus.begin(), in.gpus.end());
  if (in.usage) *out.mutable_usage() = to_proto(*in.usage);
  return out;
}

Result<Rank> rank_of(const pb::RankRecord& in) {
  Rank out;
  out.node = in.node();
  if (in.phase() < pb::PHASE_STARTING || in.phase() > pb::PHASE_ENDED) return corrupt("a phase");
  out.phase = static_cast<Phase>(in.phase());
  out.reported = in.reported();
  out.setup_done = in.setup_done();
  if (in.has_ending()) out.ending = TRY(from_proto(in.ending()));
  out.output_bytes = in.output_bytes();
  if (in.has_wrote()) out.wrote = from_proto(in.wrote());
  out.timeline = from_proto(in.timeline());
  out.gpus.assign(in.gpus().begin(), in.gpus().end());
  if (in.has_usage()) out.usage = from_proto(in.usage());
  return out;
}

Result<std::vector<Rank>> ranks_of(const google::protobuf::RepeatedPtrField<pb::RankRecord>& in) {
  std::vector<Rank> out;
  out.reserve(static_cast<size_t>(in.size()));
  for (const pb::RankRecord& rank : in) out.push_back(TRY(rank_of(rank)));
  return out;
}

pb::TaskRecord record_of(int32_t index, const Task& in) {
  pb::TaskRecord out;
  out.set_task(index);
  out.set_attempt(in.attempt);
  out.set_placed_us(in.placed.us);
  out.set_lease_us(in.lease.us);
  for (const Rank& rank : in.ranks) *out.add_ranks() = record_of(rank);
  for (const PastAttempt& past : in.past) {
    pb::PastAttemptRecord& one = *out.add_past();
    one.set_placed_us(past.placed.us);
    for (const Rank& rank : past.ranks) *one.add_ranks() = record_of(rank);
    *one.mutable_ending() = to_proto(past.ending);
    one.set_ended_us(past.ended.us);
    one.set_root(bytes_of(past.root));
  }
  out.set_root(bytes_of(in.root));
  out.set_not_before_us(in.not_before.us);
  out.set_warned(in.warned);
  if (in.first_failed) out.set_first_failed(*in.first_failed);
  if (in.stop) out.set_stop(to_proto(Ending{*in.stop, 0, {}, {}}).cause());
  if (in.stop_reason) out.set_stop_reason(in_utf8(*in.stop_reason));
  out.set_deliver_signal(in.deliver_signal);
  out.set_deliver_sequence(in.deliver_sequence);
  if (in.outcome) *out.mutable_outcome() = record_of(*in.outcome);
  return out;
}

Result<Task> task_of(const pb::TaskRecord& in) {
  Task out;
  out.attempt = in.attempt();
  out.placed = {in.placed_us()};
  out.lease = {in.lease_us()};
  out.ranks = TRY(ranks_of(in.ranks()));
  for (const pb::PastAttemptRecord& past : in.past()) {
    out.past.push_back({{past.placed_us()},
                        TRY(ranks_of(past.ranks())),
                        TRY(from_proto(past.ending())),
                        {past.ended_us()},
                        TRY(digest_of(past.root()))});
  }
  out.root = TRY(digest_of(in.root()));
  out.not_before = {in.not_before_us()};
  out.warned = in.warned();
  if (in.has_first_failed()) out.first_failed = in.first_failed();
  if (in.stop() != pb::END_CAUSE_UNSPECIFIED) {
    pb::Ending stop;
    stop.set_cause(in.stop());
    out.stop = TRY(from_proto(stop)).cause;
  }
  if (!in.stop_reason().empty()) out.stop_reason = in.stop_reason();
  out.deliver_signal = in.deliver_signal();
  out.deliver_sequence = in.deliver_sequence();
  if (in.has_outcome()) out.outcome = TRY(outcome_of(in.outcome()));
  return out;
}

Result<Job> job_of(const pb::JobRecord& in) {
  Job out;
  out.id = in.job();
  out.request_id = in.request_id();
  out.spec = TRY(from_proto(in.spec()));
  out.timeline = from_proto(in.timeline());
  for (const pb::TaskRecord& record : in.tasks()) {
    Task task = TRY(task_of(record));
    if (!task.outcome) return corrupt("a task of it has not ended");
    if (task.outcome->state != JobState::kSucceeded) ++out.failed_tasks;
    out.tasks.emplace_hint(out.tasks.end(), record.task(), std::move(task));
  }
  out.array_passed = in.array_passed();
  out.closed = in.closed();
  out.root = TRY(digest_of(in.root()));
  out.kept = in.kept();
  out.outcome = TRY(outcome_of(in.outcome()));
  if (in.has_setup()) out.setup = TRY(from_proto(in.setup()));
  if (!in.volume_tree().empty()) out.volume_tree = TRY(digest_of(in.volume_tree()));
  return out;
}

std::string compressed(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), kLevel);
  CHECK_MSG(ZSTD_isError(size) == 0, ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

Result<std::string> decompressed(std::string_view bytes) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
      size > kRecordBytesMax) {
    return corrupt("its size is none");
  }
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0) return corrupt(ZSTD_getErrorName(got));
  if (got != size) return corrupt("it is cut off");
  return out;
}

}  // namespace

std::string encode_job(const Job& job) {
  CHECK(job.outcome.has_value());
  pb::JobRecord out;
  out.set_job(job.id);
  out.set_request_id(job.request_id);
  *out.mutable_spec() = to_proto(job.spec);
  *out.mutable_timeline() = to_proto(job.timeline);
  for (const auto& [index, task] : job.tasks) *out.add_tasks() = record_of(index, task);
  out.set_array_passed(job.array_passed);
  out.set_closed(job.closed);
  out.set_root(bytes_of(job.root));
  out.set_kept(job.kept);
  *out.mutable_outcome() = record_of(*job.outcome);
  if (job.setup) *out.mutable_setup() = to_proto(*job.setup);
  if (job.volume_tree) out.set_volume_tree(bytes_of(*job.volume_tree));
  return compressed(out.SerializeAsString());
}

Result<Job> decode_job(std::string_view bytes) {
  const std::string plain = TRY(decompressed(bytes));
  pb::JobRecord in;
  if (!in.ParseFromString(plain)) return corrupt("the bytes are none");
  return job_of(in);
}

}  // namespace devrun::controller
