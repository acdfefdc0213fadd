// A job's row for watchers: what a line of a list and its folded-out parts show, and no more.
#include "common/wire/job.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/watch_table.h"

namespace devrun::controller {

namespace {

constexpr size_t kArgumentBytesMax = 512;

void shorten_program(pb::Program& program) {
  program.clear_caller();
  program.clear_setup();
  size_t left = kArgumentBytesMax;
  int kept = 0;
  for (std::string& argument : *program.mutable_argv()) {
    if (left == 0) break;
    if (argument.size() > left) argument.resize(left);
    left -= argument.size();
    ++kept;
  }
  program.mutable_argv()->DeleteSubrange(kept, program.argv_size() - kept);
}

// Counts alone of what it wrote.
pb::WrittenSummary counts_of(const WrittenSummary& wrote) {
  WrittenSummary out;
  out.files = wrote.files;
  out.bytes = wrote.bytes;
  if (wrote.home) {
    out.home = wrote.home;
    out.home->notable.clear();
    out.home->conflicting.clear();
    out.home->folder.clear();
  }
  return wire::to_proto(out);
}

}  // namespace

std::string watch_row(const State& state, const Job& job, Time now, Explained& known) {
  pb::JobInfo out = job_info(state, job, now, Detail::kLiveRow, {}, &known);
  pb::JobSpec& spec = *out.mutable_spec();
  shorten_program(*spec.mutable_program());
  spec.clear_paths();
  spec.clear_node_labels();
  for (pb::AttemptInfo& attempt : *out.mutable_attempts()) {
    if (!attempt.has_ending()) attempt.clear_usage();
    const Result<AttemptKey> key = wire::from_proto(attempt.key());
    const Rank* rank = key ? find_rank(state, *key) : nullptr;
    if (rank != nullptr && rank->wrote) *attempt.mutable_wrote() = counts_of(*rank->wrote);
  }
  return out.SerializeAsString();
}

}  // namespace devrun::controller
