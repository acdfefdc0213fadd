#include "controller/rpc/operations_service.h"

#include "controller/rpc/unary_call.h"

namespace devrun::controller {

grpc::ServerUnaryReactor* OperationsService::TakeBackup(grpc::CallbackServerContext* context,
                                                        const pb::TakeBackupRequest*,
                                                        pb::TakenBackup* reply) {
  return on_worker(parts_, context, "TakeBackup", [=, this](const Who&) -> Status {
    const Backup::Taken taken = TRY(backup_.take());
    reply->set_folder(taken.folder);
    reply->set_taken_us(taken.at.us);
    reply->set_next_job(taken.next_job);
    reply->set_volumes(taken.volumes);
    return ok();
  });
}

}  // namespace devrun::controller
