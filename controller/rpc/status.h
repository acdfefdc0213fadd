// Errors as gRPC carries them.
#pragma once

#include <grpcpp/grpcpp.h>

#include "common/base/result.h"

namespace devrun::controller {

grpc::Status to_status(const Error& error);
grpc::Status to_status(const Status& status);

}  // namespace devrun::controller
