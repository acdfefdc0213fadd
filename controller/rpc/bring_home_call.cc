#include "controller/rpc/bring_home_call.h"

#include <fmt/format.h>

#include <chrono>

#include "common/base/log.h"
#include "common/tree/codec.h"
#include "common/wire/job.h"
#include "controller/core/view.h"
#include "controller/rpc/home_wire.h"
#include "controller/rpc/live_rights.h"

namespace devrun::controller {

namespace {

// Of up to 2 MiB each.
constexpr size_t kMessagesWaitingMax = 8;
// An agent that has nothing to say for so long does not come again in this call.
constexpr auto kSilenceMax = std::chrono::seconds(60);

pb::HomeDown wanted_message(const std::vector<uint64_t>& entries) {
  pb::HomeDown out;
  auto* const list = out.mutable_wanted()->mutable_entries();
  list->Add(entries.begin(), entries.end());
  out.mutable_wanted()->set_zeros(true);
  return out;
}

// A share may have been taken back since the job was submitted.
bool may_change(const Parts& parts, const std::string& user, const std::string& volume) {
  const auto found = parts.storage.volume(volume);
  if (!found) return true;  // the round says what of it is wrong
  return may_write(parts.accounts, user, *found);
}

Error agent_has_gone() {
  return {Code::kUnavailable, "the agent has gone", {}};
}

}  // namespace

Result<storage::HomeStart> home_start(const State& state, const std::string& node,
                                      const AttemptKey& key, bool final) {
  const Job* const job = find_job(state, key.job);
  const Task* const task = find_task(state, key.task_key());
  const Rank* const rank = find_rank(state, key);
  if (job == nullptr || task == nullptr || rank == nullptr) {
    return Error{Code::kNotFound, fmt::format("there is no attempt {}", to_string(key)), {}};
  }
  if (rank->node != node) {
    return Error{Code::kDenied,
                 fmt::format("attempt {} runs on {}, not on {}", to_string(key), rank->node, node),
                 {}};
  }
  // What comes after its attempt was given up stays in that attempt's change set.
  const bool is_present = key.attempt == task->attempt && is_placed(*task) &&
                          !(rank->ending && rank->ending->cause == EndCause::kLost);
  storage::HomeStart out;
  out.key = key;
  out.volume = job->spec.root.volume;
  out.root = root_of_attempt(*job, *task, key.attempt);
  out.rules = job->spec.paths;
  out.user = job->spec.program.caller;
  out.final = final;
  out.applies = job->spec.results == Results::kHome && is_present;
  out.setup_run = job->spec.setup_run;
  out.plain = volume_tree_of(*job);
  if (!out.plain.is_zero()) out.given = job->root.is_zero() ? job->spec.root.tree : job->root;
  return out;
}

BringHomeCall* BringHomeCall::start(Parts parts, std::string node, HeldCalls::Hold hold) {
  auto made = std::make_shared<BringHomeCall>(parts, std::move(node), std::move(hold));
  made->hold(made);
  made->weak_ = made;
  made->StartRead(&made->message_);
  return made.get();
}

void BringHomeCall::OnReadDone(bool read) {
  if (!started_) {
    Result<HomeMessage> first =
        read ? read_message(message_) : Result<HomeMessage>(Error{Code::kInvalid, "nothing", {}});
    pb::HomeUp* const message = first ? std::get_if<pb::HomeUp>(&*first) : nullptr;
    if (message == nullptr || !message->has_start()) {
      return end(Error{Code::kInvalid, "BringHome begins with its start", {}});
    }
    started_ = true;
    start_ = message->start();
    message_.Clear();
    return begin();
  }
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (read) {
    waiting_.emplace_back();
    waiting_.back().Swap(&message_);
    if (waiting_.size() < kMessagesWaitingMax) read_next();
  } else {
    broken_ = true;
  }
  came_.notify_all();
}

void BringHomeCall::read_next() {
  if (reading_ || broken_) return;
  start_if_open([this] {
    reading_ = true;
    StartRead(&message_);
  });
}

std::optional<grpc::ByteBuffer> BringHomeCall::next() {
  std::unique_lock lock(mutex_);
  if (waiting_.empty()) read_next();
  came_.wait_for(lock, kSilenceMax, [this] { return !waiting_.empty() || broken_; });
  if (waiting_.empty()) return std::nullopt;
  grpc::ByteBuffer out;
  out.Swap(&waiting_.front());
  waiting_.pop_front();
  read_next();
  return out;
}

void BringHomeCall::begin() {
  const std::shared_ptr<BringHomeCall> self = weak_.lock();
  on_leave([weak = weak_] {
    if (const std::shared_ptr<BringHomeCall> call = weak.lock()) {
      const std::lock_guard lock(call->mutex_);
      call->broken_ = true;
      call->came_.notify_all();
    }
  });
  const JobId job = start_.key().job();
  parts_.core.read_jobs({job}, [self](const State& state, Time, const Status& read) {
    if (!read) return self->end(read.error());
    const Result<AttemptKey> key = wire::from_proto(self->start_.key());
    if (!key) return self->end(key.error());
    const Result<storage::HomeStart> start =
        home_start(state, self->node_, *key, self->start_.final());
    if (!start) return self->end(start.error());
    const std::string user = find_job(state, key->job)->spec.user;
    const bool queued = self->parts_.home_work.run([self, start = *start, user]() mutable {
      start.applies = start.applies && may_change(self->parts_, user, start.volume);
      self->parts_.round_news.began(start.key);
      const Status done = self->work(start);
      if (!done) {
        self->parts_.round_news.failed(start.key, done.error());
        log::warning("bringing {} home: {}", to_string(start.key), done.error().message);
      }
      self->end(done);
    });
    if (!queued) self->end(Error{Code::kUnavailable, "too many attempts bring home", "try again"});
  });
}

bool BringHomeCall::tell(const pb::HomeDown& message) {
  return push(to_buffer(message));
}

Status BringHomeCall::work(const storage::HomeStart& start) {
  const std::unique_ptr<storage::HomeRound> round = TRY(parts_.storage.begin_round(start));
  while (!listed_ || awaited_ != 0) {
    std::optional<grpc::ByteBuffer> message = next();
    if (!message) return agent_has_gone();
    HomeMessage read = TRY(read_message(*message));
    TRY(take(std::move(read), *round));
  }
  pb::HomeDown result;
  *result.mutable_result() = wire::to_proto(TRY(round->finish()));
  return tell(result) ? ok() : Status(agent_has_gone());
}

Status BringHomeCall::take(HomeMessage message, storage::HomeRound& round) {
  if (const auto* const bytes = std::get_if<FileBytes>(&message)) {
    if (bytes->head.zeros > 0) TRY(round.zeros(bytes->head.entry, bytes->head.zeros));
    for (const std::string_view piece : bytes->pieces) {
      TRY(round.bytes(bytes->head.entry, piece, false));
    }
    if (!bytes->head.last) return ok();
    --awaited_;
    return round.bytes(bytes->head.entry, {}, true);
  }
  const pb::HomeUp& told = std::get<pb::HomeUp>(message);
  switch (told.kind_case()) {
    case pb::HomeUp::kEntries: {
      if (listed_) return Error{Code::kInvalid, "an entry after the last", {}};
      std::vector<storage::UpperItem> items = TRY(items_of(told.entries()));
      const std::vector<uint64_t> wanted = TRY(round.add(std::move(items)));
      awaited_ += wanted.size();
      if (!wanted.empty() && !tell(wanted_message(wanted))) return agent_has_gone();
      return ok();
    }
    case pb::HomeUp::kListed:
      listed_ = true;
      return ok();
    case pb::HomeUp::kReads:
      return round.reads(told.reads(), storage::HomeRound::ReadsOf::kSuccess);
    case pb::HomeUp::kFailedReads:
      return round.reads(told.failed_reads(), storage::HomeRound::ReadsOf::kFailure);
    case pb::HomeUp::kUnsent:
      TRY(round.unsent(told.unsent()));
      --awaited_;
      return ok();
    default:
      return Error{Code::kInvalid, "BringHome has no such message here", {}};
  }
}

}  // namespace devrun::controller
