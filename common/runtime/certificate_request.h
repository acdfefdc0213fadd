// Certificates for keys that their owners keep: whoever wants one makes a key and a request, the controller certifies the
// request. And what certificates say of themselves. Nothing here listens or connects.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/pki.h"

namespace devrun {

struct Request {
  std::string key;      // PEM
  std::string request;  // PKCS #10, PEM: tells no secret
};
Result<Request> make_request();
// A client's certificate for the key of the request. kInvalid: the request is none, or whoever made it has not its key.
Result<std::string> certify_request(const Pem& authority, const std::string& request,
                                    const Certified& who, Time issued, Duration life);

struct Validity {
  Time from;
  Time until;
};
Result<Validity> validity_of(const std::string& certificate);
// SHA-256 of the first certificate in the text: 32 bytes.
Result<std::string> fingerprint_of(const std::string& certificate);

// A second URI name (the first: certificate_uri): when the certificate was granted, by the controller's clock. It tells
// those of before a revocation from those of after.
std::string issued_uri(Time issued);
std::optional<Time> parse_issued_uri(std::string_view uri);

}  // namespace devrun
