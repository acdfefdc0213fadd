#include "controller/rpc/status.h"

#include "common/wire/error.h"

namespace devrun::controller {

grpc::Status to_status(const Error& error) {
  return {static_cast<grpc::StatusCode>(wire::grpc_code_of(error.code)), error.message,
          wire::error_details(error)};
}

grpc::Status to_status(const Status& status) {
  return status ? grpc::Status::OK : to_status(status.error());
}

}  // namespace devrun::controller
