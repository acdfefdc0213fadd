// What `devrun login` leaves in a folder, and what keeps it good: identity.pem (the key, which was made here and never
// leaves, and the certificate for it), ca.crt, config.yaml. Blocking.
#pragma once

#include <string>

#include "cli/client/enrolment.h"
#include "cli/client/surroundings.h"
#include "cli/client/target.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/join_token.h"

namespace devrun::cli {

struct LoginWish {
  std::string endpoint;  // HOST:PORT where the token is good
  JoinToken token;
  std::string folder;
};
// kExists: the folder has a configuration of somebody else's. A login that got no answer can be made again.
Result<Joined> log_in(const LoginWish& wish);

// A certificate whose time is mostly over is renewed, if it is one of `log_in`'s; one that is over is an error. What
// fails of that while the certificate is still good is no error: the next command tries again.
Status keep_certificate(const Surroundings& surroundings, Target& target, Time now);

}  // namespace devrun::cli
