// Values that must not lie on disk in clear (environments of jobs), sealed with AES-256-GCM under a
// key of the controller's. Sealed: a version byte, 12 bytes of nonce, the ciphertext, 16 bytes of
// tag. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/digest.h"
#include "common/base/result.h"

namespace devrun {

class Sealer {
 public:
  // The key file (32 bytes, mode 0600), made with a random key if missing.
  static Result<Sealer> open(const std::string& key_path);

  Result<std::string> seal(std::string_view clear) const;
  // A name for the text that tells nothing of it to who lacks the key (HMAC-SHA-256).
  Digest keyed_hash(std::string_view clear) const;
  // kCorrupt if it was changed or sealed under another key.
  Result<std::string> unseal(std::string_view sealed) const;

 private:
  Sealer() = default;
  std::array<unsigned char, 32> key_{};
};

}  // namespace devrun
