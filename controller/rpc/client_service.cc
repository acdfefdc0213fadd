#include "controller/rpc/client_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/suggest.h"
#include "common/base/utf8.h"
#include "common/base/version.h"
#include "common/wire/job.h"
#include "controller/core/explain.h"
#include "controller/core/limits.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/attach.h"
#include "controller/rpc/check_submit.h"
#include "controller/rpc/exec_call.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/list_call.h"
#include "controller/rpc/live_rights.h"
#include "controller/rpc/log_call.h"
#include "controller/rpc/refuse.h"
#include "controller/rpc/snapshot_info.h"
#include "controller/rpc/status.h"
#include "controller/rpc/submit_call.h"
#include "controller/rpc/unary_call.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

std::string how_to_end(const Job& job) {
  return job.spec.dev_container ? "devrun shell --stop " + job.spec.root.volume
                                : fmt::format("devrun cancel {}", job.id);
}

// Removing a volume under a job would take the job's ground away.
Status check_unused(const State& state, const std::string& volume) {
  for (const auto& [name, node] : state.nodes) {
    for (const AttemptKey& key : node.live) {
      const Job& job = state.jobs.at(key.job);
      if (job.spec.root.volume != volume) continue;
      return Error{Code::kConflict,
                   fmt::format("volume '{}' is in use by {}job {}", volume,
                               job.spec.dev_container ? "its dev container, " : "", key.job),
                   how_to_end(job)};
    }
  }
  for (const QueueKey& queued : state.queue) {
    const Job& job = state.jobs.at(queued.job);
    if (job.spec.root.volume != volume) continue;
    return Error{Code::kConflict,
                 fmt::format("job {} waits to run in volume '{}'", queued.job, volume),
                 how_to_end(job)};
  }
  // Under whatever volume they run, they would find the next one of that name.
  for (const auto& [id, job] : state.jobs) {
    if (job.outcome || !has_live_folder_of(job.spec, volume)) continue;
    return Error{
        Code::kConflict,
        fmt::format("job {} of '{}' has a folder of volume '{}' live", id, job.spec.user, volume),
        fmt::format("{}; devrun volume share {} {} --none, if it is not yours", how_to_end(job),
                    volume, job.spec.user)};
  }
  return ok();
}

// Blocks: for a worker's thread.
Status ask_unused(CoreLoop& core, const std::string& volume) {
  return ask_core(core,
                  [&volume](const State& state, Time) { return check_unused(state, volume); });
}

}  // namespace

grpc::ServerUnaryReactor* ClientService::with_jobs(Context* context, const char* call,
                                                   std::vector<JobId> jobs, WithState work) {
  return for_caller(
      parts_, context, call, std::move(jobs),
      [work = std::move(work)](const State& state, const Who& who, Time now, Unary& reactor) {
        reactor.Finish(to_status(work(state, who, now)));
      });
}

grpc::ServerUnaryReactor* ClientService::Hello(Context* context, const pb::ClientHello* request,
                                               pb::ControllerHello* reply) {
  return with_jobs(context, "Hello", {}, [request, reply](const State&, const Who& who, Time) {
    reply->set_version(std::string(kVersion));
    reply->set_role(who.admin ? "admin" : who.reader ? "read-only" : "user");
    reply->set_user(who.user);
    if (who.from) {
      reply->set_volume(who.from->volume);
      reply->set_job(who.from->job);
    }
    return check_version("this devrun", request->version());
  });
}

grpc::ServerUnaryReactor* ClientService::Submit(Context* context, const pb::SubmitRequest* request,
                                                pb::SubmitReply* reply) {
  return for_peer(parts_.gate, context, "Submit", [&](Peer peer, Unary& reactor) {
    std::make_shared<SubmitCall>(parts_, std::move(peer), *request, *reply, reactor)->start();
  });
}

grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>* ClientService::Attach(
    Context* context) {
  Result<Peer> peer = identify(parts_.gate, *context, "Attach");
  if (!peer) return new RefuseBidi<pb::AttachRequest, pb::AttachReply>(to_status(peer.error()));
  return AttachCall::start(parts_.core, parts_.hub, parts_.attendance, std::move(*peer));
}

grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>* ClientService::Exec(Context* context) {
  Result<Peer> peer = identify(parts_.gate, *context, "Exec");
  if (!peer) return new RefuseBidi<pb::AttachRequest, pb::AttachReply>(to_status(peer.error()));
  return ExecCall::start({parts_.core, parts_.hub, parts_.agents, parts_.sessions},
                         std::move(*peer));
}

grpc::ServerUnaryReactor* ClientService::ListSessions(Context* context,
                                                      const pb::ListSessionsRequest* request,
                                                      pb::ListSessionsReply* reply) {
  return with_jobs(
      context, "ListSessions", {request->job()},
      [=, &sessions = parts_.sessions](const State& state, const Who& who, Time) -> Status {
        TRY(openable_job(state, who, request->job()));
        sessions.list(request->job(), *reply);
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::ListJobs(Context* context,
                                                  const pb::ListJobsRequest* request,
                                                  pb::ListJobsReply* reply) {
  return for_peer(parts_.gate, context, "ListJobs", [&](Peer peer, Unary& reactor) {
    list_jobs(parts_, std::move(peer), *request, *reply, reactor);
  });
}

grpc::ServerUnaryReactor* ClientService::GetJob(Context* context, const pb::GetJobRequest* request,
                                                pb::JobInfo* reply) {
  return with_jobs(context, "GetJob", {request->job()},
                   [=, &sealer = parts_.sealer, &hub = parts_.hub](
                       const State& state, const Who& who, Time now) -> Status {
                     const Job* job = TRY(visible_job(state, who, request->job()));
                     std::optional<int32_t> task;
                     if (request->has_task()) {
                       task = request->task();
                       TRY(visible_task(state, who, {job->id, *task}, 0, now));
                     }
                     *reply = job_info(state, *job, now, Detail::kFull, task);
                     for (pb::AttemptInfo& attempt : *reply->mutable_attempts()) {
                       if (attempt.has_ending()) continue;  // the state knows the length only then
                       const AttemptKey key = TRY(wire::from_proto(attempt.key()));
                       attempt.set_output_bytes(static_cast<int64_t>(hub.output_length(key)));
                     }
                     const std::vector<std::string> names =
                         TRY(env_names(sealer, job->spec.program.sealed_env));
                     reply->mutable_env_names()->Add(names.begin(), names.end());
                     return ok();
                   });
}

grpc::ServerUnaryReactor* ClientService::CancelJob(Context* context,
                                                   const pb::CancelJobRequest* request,
                                                   pb::CancelJobReply* reply) {
  return for_caller(
      parts_, context, "CancelJob", {request->job()},
      [=, &core = parts_.core](const State& state, const Who& who, Time, Unary& answered) {
        Unary* const reactor = &answered;
        const auto job = visible_job(state, who, request->job());
        if (!job) return reactor->Finish(to_status(job.error()));
        if (request->signal() < 0 || request->signal() > 64) {
          return reactor->Finish(to_status(Error{
              Code::kInvalid, fmt::format("there is no signal {}", request->signal()), "kill -l"}));
        }
        core.post(Cancel{{request->job(), request->task()}, request->signal()},
                  [=](const State&, Time, const Result<Reply>& result) {
                    if (!result) return reactor->Finish(to_status(result.error()));
                    reply->set_state(wire::to_proto(std::get<Cancelled>(*result).before));
                    reactor->Finish(grpc::Status::OK);
                  });
      });
}

grpc::ServerWriteReactor<pb::LogChunk>* ClientService::ReadLog(Context* context,
                                                               const pb::ReadLogRequest* request) {
  Result<Peer> peer = identify(parts_.gate, *context, "ReadLog");
  if (!peer) return new RefuseWrite<pb::LogChunk>(to_status(peer.error()));
  return LogCall::start(parts_.core, parts_.hub, std::move(*peer), *request);
}

grpc::ServerUnaryReactor* ClientService::ListVolumes(Context* context,
                                                     const pb::ListVolumesRequest* request,
                                                     pb::ListVolumesReply* reply) {
  return on_worker(parts_, context, "ListVolumes",
                   [=, &storage = parts_.storage](const Who& who) -> Status {
                     if (request->removed()) {
                       for (const storage::RemovedVolume& volume : TRY(storage.removed_volumes())) {
                         if (who.sees_all() || volume.owner == who.user) {
                           *reply->add_volumes() = volume_info(volume);
                         }
                       }
                       return ok();
                     }
                     for (const storage::VolumeInfo& volume : TRY(storage.volumes())) {
                       const Level level = level_on(who, volume);
                       if (level >= Level::kSee) *reply->add_volumes() = volume_info(volume, level);
                     }
                     return ok();
                   });
}

grpc::ServerUnaryReactor* ClientService::RemoveVolume(Context* context,
                                                      const pb::RemoveVolumeRequest* request,
                                                      pb::RemoveVolumeReply* reply) {
  // Told after the right to it has been looked at.
  const auto unused = std::make_shared<Status>(ok());
  return on_worker(
      parts_, context, "RemoveVolume",
      [=](const State& state, const Who&, Time) {
        *unused = check_unused(state, request->name());
        return ok();
      },
      [=, this, &storage = parts_.storage](const Who& who) -> Status {
        TRY(check_volume(storage, who, request->name()));
        if (!*unused) return *unused;
        const auto still = [&] { return ask_unused(parts_.core, request->name()); };
        reply->set_kept_until_us(TRY(storage.remove_volume(request->name(), still)).us);
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::ForeseeJob(Context* context,
                                                    const pb::SubmitRequest* request,
                                                    pb::Foresight* reply) {
  return with_jobs(context, "ForeseeJob", {},
                   [=](const State& state, const Who& who, Time now) -> Status {
                     JobSpec spec = TRY(check_submit(*request));
                     spec.user = who.user;
                     TRY(check_waiting(state, spec));
                     const Foresight seen = foresee(state, spec, now);
                     reply->set_reason(in_utf8(seen.reason));
                     reply->set_queue_place(seen.place);
                     reply->set_expected_start_us(seen.start.us);
                     reply->set_never(seen.never);
                     return ok();
                   });
}

}  // namespace devrun::controller
