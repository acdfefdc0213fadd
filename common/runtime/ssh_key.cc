#include "common/runtime/ssh_key.h"

#include <fmt/format.h>

#include <array>

#include "common/base/base64.h"
#include "common/runtime/openssl_values.h"

namespace devrun {

namespace {

constexpr std::string_view kKeyType = "ssh-ed25519";

void put_number(std::string& out, uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(number >> shift));
}

void put_string(std::string& out, std::string_view text) {
  put_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

std::string public_blob(std::string_view point) {
  std::string out;
  put_string(out, kKeyType);
  put_string(out, point);
  return out;
}

// "openssh-key-v1", no cipher, one key.
std::string private_blob(std::string_view seed, std::string_view point, std::string_view comment) {
  std::string secret;
  put_number(secret,
             0);  // two equal numbers: decrypted rightly, of which there is no question here
  put_number(secret, 0);
  put_string(secret, kKeyType);
  put_string(secret, point);
  put_string(secret, std::string(seed) + std::string(point));
  put_string(secret, comment);
  for (char pad = 1; secret.size() % 8 != 0; ++pad) secret.push_back(pad);
  std::string out("openssh-key-v1\0", 15);
  put_string(out, "none");
  put_string(out, "none");
  put_string(out, "");
  put_number(out, 1);
  put_string(out, public_blob(point));
  put_string(out, secret);
  return out;
}

std::string pem(std::string_view blob) {
  constexpr size_t kColumns = 70;
  std::string out = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  const std::string text = base64(blob);
  for (size_t at = 0; at < text.size(); at += kColumns) out += text.substr(at, kColumns) + "\n";
  return out + "-----END OPENSSH PRIVATE KEY-----\n";
}

}  // namespace

Result<SshKey> ssh_key_of(std::string_view seed, const std::string& comment) {
  const Error failed{Code::kInternal, "no key for ssh could be made", {}};
  if (seed.size() != kSshSeedBytes) return failed;
  const KeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  std::array<unsigned char, kSshSeedBytes> point{};
  size_t length = point.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), point.data(), &length) != 1) return failed;
  const std::string_view text(reinterpret_cast<const char*>(point.data()), point.size());
  return SshKey{pem(private_blob(seed, text, comment)),
                fmt::format("{} {}", kKeyType, base64(public_blob(text)))};
}

}  // namespace devrun
