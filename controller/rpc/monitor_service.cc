#include "controller/rpc/monitor_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/base/utf8.h"
#include "common/wire/sample.h"
#include "controller/core/explain.h"
#include "controller/core/use.h"
#include "controller/journal/job_codec.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/refuse.h"
#include "controller/rpc/status.h"
#include "controller/rpc/unary_call.h"
#include "controller/rpc/watch_call.h"

namespace devrun::controller {

namespace {

constexpr uint32_t kQueueShown = 200;
constexpr uint32_t kQueueShownMax = 1000;
constexpr size_t kUseJobsMax = 200'000;

// Another user's job keeps its place, and nothing else is told of it.
void add_queued(const State& state, const Who& who, const Job& job, uint64_t place, Time now,
                Explained& known, pb::QueueReply& reply) {
  pb::QueuedJob& out = *reply.add_jobs();
  out.set_place(place);
  if (!who.may_see(job)) return;
  const Foresight seen = foresee_at(state, job, place, now, &known);
  out.set_job(job.id);
  out.set_reason(in_utf8(seen.reason));
  out.set_expected_start_us(seen.start.us);
  out.set_never(seen.never);
  out.set_limited(seen.limited);
  out.set_priority(job.spec.priority);
}

void list_queue(const State& state, const Who& who, uint32_t limit, Time now,
                pb::QueueReply& reply) {
  reply.set_waiting(state.queue.size());
  const WaitList& waits = state.schedule.waits();
  Explained known;
  uint64_t place = 0;
  for (const JobId id : waits.first_in_order(limit)) {
    add_queued(state, who, state.jobs.at(id), ++place, now, known, reply);
  }
  for (const QueueKey& key : state.queue) {
    if (static_cast<uint32_t>(reply.jobs_size()) >= limit) return;
    const Job& job = state.jobs.at(key.job);
    if (waits.has(key.job) || !who.may_see(job)) continue;
    add_queued(state, who, job, 0, now, known, reply);
  }
}

// Everybody's who has an account, a volume or a job here, or the caller's.
std::map<std::string, pb::UserQuota> quotas_of(const State& state, const Accounts& accounts,
                                               const std::string& user, bool all) {
  std::map<std::string, pb::UserQuota> out;
  out[user] = running_quota(state, user);
  if (!all) return out;
  for (const auto& [name, account] : accounts.all()) out[name] = running_quota(state, name);
  for (const auto& [id, job] : state.jobs) {
    if (!out.contains(job.spec.user)) out[job.spec.user] = running_quota(state, job.spec.user);
  }
  return out;
}

Status add_quotas(const Parts& parts, std::map<std::string, pb::UserQuota> quotas, bool all,
                  pb::UseReply& reply) {
  const auto store_bytes = store_bytes_by_owner(TRY(parts.storage.volumes()));
  for (const auto& [owner, bytes] : store_bytes) {
    if (all && !owner.empty()) quotas[owner].set_user(owner);
  }
  for (auto& [user, quota] : quotas) {
    add_kept(parts.quotas, store_bytes, quota);
    *reply.add_quotas() = std::move(quota);
  }
  return ok();
}

struct Counting {
  Who who;
  Time since, now;
  bool all = false;
  UseByOwner uses = {};
  std::set<JobId> counted = {};
  bool truncated = false;

  bool wants(const Job& job) const {
    return who.may_see(job) && (all || job.spec.user == who.user);
  }
};

void count_ledger(Counting& counting, const State& state) {
  for (const auto& [id, job] : state.jobs) {
    counting.counted.insert(id);
    if (counting.wants(job)) add_use(job, counting.since, counting.now, counting.uses);
  }
}

Status count_history(Counting& counting, History& history) {
  JobFilter filter;
  filter.since = counting.since;
  if (!counting.all) filter.user = counting.who.user;
  Status read = ok();
  size_t looked_at = 0;
  TRY(history.visit(filter, [&](const HistoryFound& found) {
    if (counting.counted.count(found.job) != 0) return true;
    counting.truncated = ++looked_at > kUseJobsMax;
    if (counting.truncated) return false;
    const Result<Job> job = decode_job(found.record);
    if (!job) read = job.error();
    if (!job) return false;
    if (counting.wants(*job)) add_use(*job, counting.since, counting.now, counting.uses);
    return true;
  }));
  return read;
}

void answer(const Counting& counting, pb::UseReply& reply) {
  for (const auto& [owner, use] : counting.uses) {
    pb::Use& out = *reply.add_uses();
    out.set_user(owner.first);
    out.set_volume(owner.second);
    out.set_jobs(use.jobs);
    out.set_core_hours(use.core_hours);
    out.set_gpu_hours(use.gpu_hours);
    out.set_cpu_hours_used(use.cpu_hours_used);
  }
  reply.set_from_us(counting.since.us);
  reply.set_now_us(counting.now.us);
  reply.set_truncated(counting.truncated);
}

}  // namespace

grpc::ServerWriteReactor<pb::WatchUpdate>* MonitorService::Watch(Context* context,
                                                                 const pb::WatchRequest* request) {
  Result<Peer> peer = identify(parts_.gate, *context, "Watch");
  if (!peer) return new RefuseWrite<pb::WatchUpdate>(to_status(peer.error()));
  Watches& watches = parts_.watches;
  const auto ready = [&watches, &core = parts_.core] {
    core.read([&watches](const State& state, Time now) { watches.pump(state, now); });
  };
  auto call = std::make_shared<WatchCall>(*request, ready);
  call->hold(call);
  parts_.core.read([call, &watches, peer = std::move(*peer)](const State& state, Time now) {
    const Result<Who> who = resolve(state, peer);
    const Status added = who ? watches.add(state, now, call, *who) : Status(who.error());
    if (!added) call->close(to_status(added));
  });
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::ReadSeries(Context* context,
                                                     const pb::SeriesRequest* request,
                                                     pb::SeriesReply* reply) {
  const auto work = [=, &book = parts_.samples](const State& state, const Who& who) -> Status {
    if (request->job() == 0) {
      const auto all = book.node_series(request->node(), request->days(), request->points_max());
      for (const LoadSeries& one : all) *reply->add_series() = wire::to_proto(one);
      if (request->node().empty() || !all.empty()) return ok();
      return Error{Code::kNotFound, fmt::format("node '{}' has told no load", request->node()),
                   "devrun nodes"};
    }
    TRY(visible_job(state, who, request->job()));
    const auto series = book.job_series(request->job(), request->points_max());
    if (series) *reply->add_series() = wire::to_proto(*series);
    return ok();
  };
  std::vector<JobId> jobs;
  if (request->job() != 0) jobs.push_back(request->job());
  return for_caller(parts_, context, "ReadSeries", std::move(jobs),
                    [work](const State& state, const Who& who, Time, Unary& reactor) {
                      reactor.Finish(to_status(work(state, who)));
                    });
}

grpc::ServerUnaryReactor* MonitorService::ReadQueue(Context* context,
                                                    const pb::QueueRequest* request,
                                                    pb::QueueReply* reply) {
  return for_caller(parts_, context, "ReadQueue", {},
                    [=](const State& state, const Who& who, Time now, Unary& reactor) {
                      const uint32_t limit = request->limit() == 0
                                                 ? kQueueShown
                                                 : std::min(request->limit(), kQueueShownMax);
                      list_queue(state, who, limit, now, *reply);
                      reactor.Finish(grpc::Status::OK);
                    });
}

grpc::ServerUnaryReactor* MonitorService::ReadUse(Context* context, const pb::UseRequest* request,
                                                  pb::UseReply* reply) {
  return for_caller(
      parts_, context, "ReadUse", {},
      [=, this, &archive = parts_.archive](const State& state, const Who& who, Time now,
                                           Unary& answered) {
        Unary* const reactor = &answered;
        auto counting = std::make_shared<Counting>();
        counting->who = who;
        counting->since = Time{std::max<int64_t>(0, request->since_us())};
        counting->now = now;
        counting->all = request->all() && who.sees_all();
        count_ledger(*counting, state);
        const auto quotas = quotas_of(state, parts_.accounts, who.user, counting->all);
        const bool queued = archive.read([=, this](History& history) {
          Status counted = count_history(*counting, history);
          if (counted) counted = add_quotas(parts_, quotas, counting->all, *reply);
          if (!counted) return reactor->Finish(to_status(counted.error()));
          answer(*counting, *reply);
          reactor->Finish(grpc::Status::OK);
        });
        if (queued) return;
        reactor->Finish(
            to_status(Error{Code::kExhausted, "too many read the history", "try again"}));
      });
}

}  // namespace devrun::controller
