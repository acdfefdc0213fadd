// What administrators call to keep the cluster: proto/devrun/v1/operations.proto.
#pragma once

#include "controller/rpc/backup.h"
#include "controller/rpc/services.h"
#include "devrun/v1/operations.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class OperationsService final : public pb::Operations::CallbackService {
 public:
  OperationsService(Parts parts, const std::string& state_folder)
      : parts_(parts), backup_(state_folder, parts.core, parts.archive, parts.storage) {}

  grpc::ServerUnaryReactor* TakeBackup(grpc::CallbackServerContext*, const pb::TakeBackupRequest*,
                                       pb::TakenBackup*) override;

 private:
  Parts parts_;
  Backup backup_;
};

}  // namespace devrun::controller
