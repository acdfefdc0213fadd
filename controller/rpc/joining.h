// The port at which machines without a certificate get one (proto/devrun/v1/enrolment.proto, Joining). A gRPC server of its
// own: who comes without a certificate can call nothing else, and say little.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/pki.h"
#include "controller/access/audit_log.h"
#include "controller/rpc/enrolment.h"

namespace devrun::controller {

struct JoiningOptions {
  std::string authority_key;  // PEM; empty: this controller grants nothing
  std::string listen;         // HOST:PORT; empty: nobody can join
  std::string address;        // HOST:PORT as others reach that port
  std::string controller;     // HOST:PORT as others reach the controller
  std::string settings;       // of nodes: YAML, handed on as it is
  Duration certificate_life = seconds(30 * 86'400);
};

class Joining {
 public:
  // `own`: the controller's certificate and key. Who joined, and who was refused, is written to `audit`.
  static Result<std::unique_ptr<Joining>> listen(const JoiningOptions& options, const Pem& own,
                                                 const std::string& authority, Enrolment& enrolment,
                                                 AuditLog& audit);
  virtual ~Joining() = default;  // ends all calls
  virtual int port() const = 0;
};

}  // namespace devrun::controller
