// What an administrator hands to a machine (or a person) that is to get a certificate: a secret that the controller knows
// by its hash alone, good for one key and a short time, and the fingerprint of the cluster's authority, so that
// whoever has the token knows whom to trust. As one word without blanks, `devrun1.SECRET.FINGERPRINT`.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun {

struct JoinToken {
  std::string secret;       // 24 random bytes
  std::string fingerprint;  // SHA-256 of the authority's certificate
};

// `authority`: PEM.
Result<JoinToken> make_join_token(const std::string& authority);
std::string to_string(const JoinToken& token);
// kInvalid, with what is wrong of it: a token is pasted, and loses its end easily.
Result<JoinToken> parse_join_token(std::string_view text);
// SHA-256: what the controller keeps.
std::string hash_of_secret(std::string_view secret);

}  // namespace devrun
