#include "controller/rpc/bring_home_call.h"

#include <fmt/format.h>

#include <chrono>

#include "common/base/log.h"
#include "common/tree/codec.h"
#include "common/wire/job.h"
#include "controller/core/view.h"
#include "controller/rpc/home_wire.h"

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
  return out;
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
  out.final = final;
  out.applies = job->spec.results == Results::kHome && is_present;
  return out;
}

BringHomeCall* BringHomeCall::start(Parts parts, std::string node) {
  auto made = std::make_shared<BringHomeCall>(parts, std::move(node));
  made->hold(made);
  made->weak_ = made;
  made->StartRead(&made->message_);
  return made.get();
}

void BringHomeCall::OnReadDone(bool read) {
  if (!started_) {
    if (!read || !message_.has_start()) {
      return end(Error{Code::kInvalid, "BringHome begins with its start", {}});
    }
    started_ = true;
    start_ = message_.start();
    return begin();
  }
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (read) {
    waiting_.push_back(std::move(message_));
    message_ = {};
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

std::optional<pb::HomeUp> BringHomeCall::next() {
  std::unique_lock lock(mutex_);
  if (waiting_.empty()) read_next();
  came_.wait_for(lock, kSilenceMax, [this] { return !waiting_.empty() || broken_; });
  if (waiting_.empty()) return std::nullopt;
  pb::HomeUp out = std::move(waiting_.front());
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
    const bool queued = self->parts_.home_work.run([self, start = *start] {
      const Status done = self->work(start);
      if (!done) {
        log::warning("bringing {} home: {}", to_string(start.key), done.error().message);
      }
      self->end(done);
    });
    if (!queued) self->end(Error{Code::kUnavailable, "too many attempts bring home", "try again"});
  });
}

Status BringHomeCall::work(const storage::HomeStart& start) {
  const Error gone{Code::kUnavailable, "the agent has gone", {}};
  const std::unique_ptr<storage::HomeRound> round = TRY(parts_.storage.begin_round(start));
  bool listed = false;
  uint64_t awaited = 0;
  while (!listed || awaited != 0) {
    std::optional<pb::HomeUp> message = next();
    if (!message) return gone;
    switch (message->kind_case()) {
      case pb::HomeUp::kEntries: {
        if (listed) return Error{Code::kInvalid, "an entry after the last", {}};
        std::vector<storage::UpperItem> items = TRY(items_of(message->entries()));
        const std::vector<uint64_t> wanted = TRY(round->add(std::move(items)));
        awaited += wanted.size();
        if (!wanted.empty() && !push(wanted_message(wanted))) return gone;
        break;
      }
      case pb::HomeUp::kListed:
        listed = true;
        break;
      case pb::HomeUp::kBytes:
        TRY(round->bytes(message->bytes().entry(), message->bytes().data(),
                         message->bytes().last()));
        if (message->bytes().last()) --awaited;
        break;
      case pb::HomeUp::kUnsent:
        TRY(round->unsent(message->unsent()));
        --awaited;
        break;
      default:
        return Error{Code::kInvalid, "BringHome has no such message here", {}};
    }
  }
  pb::HomeDown result;
  *result.mutable_result() = wire::to_proto(TRY(round->finish()));
  return push(std::move(result)) ? ok() : Status(gone);
}

}  // namespace devrun::controller
