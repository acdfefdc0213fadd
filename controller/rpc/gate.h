// Whose certificate counts now: not that of a user who was removed, nor one that was revoked. Asked when a call comes
// (admission.h), when its handler begins, and again once it has come to the core or to a worker (identity.h), so that a
// revocation also ends what was let in before it. Any thread; waits for no disk.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>

#include "controller/access/accounts.h"
#include "controller/rpc/caller_names.h"
#include "controller/rpc/enrolment.h"

namespace devrun::controller {

// What the certificate of a connection says.
struct Presented {
  std::optional<Certified> who;
  std::optional<Time> issued;
};
Presented presented_by(const grpc::AuthContext& context);

class Gate {
 public:
  Gate(const Enrolment& enrolment, const Accounts& accounts)
      : enrolment_(enrolment), accounts_(accounts) {}

  // kDenied, with the reason.
  Status admits(const Certified& who, std::optional<Time> issued) const;
  // The same of a connection; one whose certificate says no name is refused.
  bool admits(const grpc::AuthContext& context) const;

  const Accounts& accounts() const { return accounts_; }
  CallerNames& callers() const { return callers_; }

 private:
  const Enrolment& enrolment_;
  const Accounts& accounts_;
  mutable CallerNames callers_;
};

}  // namespace devrun::controller
