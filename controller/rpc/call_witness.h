// What is done beside answering at each call that the table of rights (controller/access/rights.h) knows: those that change
// something get their line in the audit log when they are answered, refusals too; those that last get one when their caller is let in, too, and can be ended
// when their caller's certificate is revoked (admission.h). As a gRPC interceptor, so that no call can be forgotten.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "controller/access/audit_log.h"
#include "controller/rpc/admission.h"

namespace devrun::controller {

struct WitnessParts {
  AuditLog& audit;
  HeldCalls& held;
  const Gate& gate;
};

// All of `parts` outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> call_witnesses(
    WitnessParts parts);

}  // namespace devrun::controller
