// Certificates: tokens for new machines, revoking, and joining with a token (proto/devrun/v1/enrolment.proto). Blocking.
#pragma once

#include <string>

#include "cli/client/target.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/join_token.h"

namespace devrun::cli {

struct Invitation {
  std::string token;
  std::string join;  // HOST:PORT where it is good
  Time until;
};
Result<Invitation> invite_node(const Target& controller, const std::string& name, Duration valid);

struct Revocation {
  bool had_token = false;
  bool had_certificate = false;
  std::string address = {};    // of the node; empty: it was never there
  bool store_refuses = false;  // the store's NFS server answers that address no more
};
// `orderly`: its time was over. Else its machine is kept off the store.
Result<Revocation> revoke_node(const Target& controller, const std::string& name,
                               bool orderly = false);

struct Joined {
  std::string authority;    // PEM
  std::string certificate;  // PEM
  std::string role;
  std::string name;
  std::string controller;  // HOST:PORT
  std::string settings;    // YAML, of a node
  std::string peer;        // the address at which the controller was reached
};
// `request`: for a key that stays here. The same request may be sent again if no answer came.
Result<Joined> join(const std::string& endpoint, const JoinToken& token,
                    const std::string& request);

}  // namespace devrun::cli
