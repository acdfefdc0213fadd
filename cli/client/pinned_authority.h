// The certificate of a cluster's authority, from somebody who may be anybody: its fingerprint, known before (join_token.h),
// says whether it is the right one. Whoever trusts that certificate then talks TLS as usual.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::cli {

// Connects to HOST:PORT and takes the certificate with this fingerprint (SHA-256, 32 bytes) out of the server's chain, as
// PEM; sends nothing. Blocking, for at most `patience`. kDenied: the server's authority is another. kUnavailable: nobody
// answers who speaks TLS.
Result<std::string> fetch_authority(const std::string& endpoint, const std::string& fingerprint,
                                    Duration patience);

}  // namespace devrun::cli
