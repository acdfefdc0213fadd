#include "cli/client/monitor.h"

#include "cli/client/call.h"
#include "cli/client/quota_wire.h"
#include "common/wire/sample.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

template <typename Connection, typename Request, typename Reply>
Result<Reply> call(Connection& connection, const Target& target,
                   grpc::Status (pb::Monitor::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Reply*),
                   const Request& request) {
  const auto stub = pb::Monitor::NewStub(connection.channel);
  return unary_call(connection.calls, *stub, target, method, request, kCallLimit);
}

}  // namespace

Result<std::vector<LoadSeries>> Controller::read_series(const SeriesQuery& query) {
  pb::SeriesRequest request;
  request.set_job(query.job);
  request.set_node(query.node);
  request.set_days(query.days);
  request.set_points_max(query.points_max);
  const auto reply = TRY(call(*connection_, target_, &pb::Monitor::Stub::ReadSeries, request));
  std::vector<LoadSeries> out;
  for (const pb::Series& series : reply.series()) out.push_back(wire::from_proto(series));
  return out;
}

Result<QueueRecord> Controller::read_queue(uint32_t limit) {
  pb::QueueRequest request;
  request.set_limit(limit);
  const auto reply = TRY(call(*connection_, target_, &pb::Monitor::Stub::ReadQueue, request));
  QueueRecord out;
  out.waiting = reply.waiting();
  for (const pb::QueuedJob& one : reply.jobs()) {
    out.jobs.push_back({one.job(), one.place(), one.reason(), Time{one.expected_start_us()},
                        one.never(), one.priority(), one.limited()});
  }
  return out;
}

Result<UseRecord> Controller::read_use(Time since, bool all) {
  pb::UseRequest request;
  request.set_since_us(since.us);
  request.set_all(all);
  const auto reply = TRY(call(*connection_, target_, &pb::Monitor::Stub::ReadUse, request));
  UseRecord out{{}, Time{reply.from_us()}, Time{reply.now_us()}, reply.truncated()};
  for (const pb::UserQuota& quota : reply.quotas()) out.quotas.push_back(quota_from_proto(quota));
  for (const pb::Use& use : reply.uses()) {
    out.uses.push_back({use.user(), use.volume(), use.jobs(), use.core_hours(), use.gpu_hours(),
                        use.cpu_hours_used()});
  }
  return out;
}

}  // namespace devrun::cli
