#include "cli/client/operations.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "cli/client/call.h"
#include "devrun/v1/operations.grpc.pb.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {
// All directory objects of a store are copied.
constexpr auto kPatience = std::chrono::hours(2);
}  // namespace

Result<TakenBackup> take_backup(const Target& controller) {
  const auto stub = pb::Operations::NewStub(open_channel(controller));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  pb::TakenBackup reply;
  const grpc::Status status = stub->TakeBackup(&context, pb::TakeBackupRequest(), &reply);
  if (!status.ok()) return call_error(status, controller);
  return TakenBackup{reply.folder(), Time{reply.taken_us()}, reply.next_job(), reply.volumes()};
}

}  // namespace devrun::cli
