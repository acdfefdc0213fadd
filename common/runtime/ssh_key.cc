#include "common/runtime/ssh_key.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "common/base/base64.h"
#include "common/runtime/openssl_values.h"

namespace devrun {

namespace {

constexpr std::string_view kKeyType = "ssh-ed25519";
constexpr std::string_view kCertificateType = "ssh-ed25519-cert-v01@openssh.com";

void put_number(std::string& out, uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(number >> shift));
}

void put_string(std::string& out, std::string_view text) {
  put_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

void put_long(std::string& out, int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
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

Error no_key() {
  return {Code::kInternal, "no key for ssh could be made", {}};
}

struct Pair {
  KeyPtr key;
  std::string point;  // the public half
};
Result<Pair> pair_of(std::string_view seed) {
  if (seed.size() != kSshSeedBytes) return no_key();
  KeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  std::array<unsigned char, kSshSeedBytes> point{};
  size_t length = point.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), point.data(), &length) != 1) return no_key();
  return Pair{std::move(key),
              std::string(reinterpret_cast<const char*>(point.data()), point.size())};
}

Result<std::string> signed_by(const Pair& pair, std::string_view text) {
  std::array<unsigned char, 64> out{};
  size_t length = out.size();
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const bool done =
      context != nullptr &&
      EVP_DigestSignInit(context, nullptr, nullptr, nullptr, pair.key.get()) == 1 &&
      EVP_DigestSign(context, out.data(), &length,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  EVP_MD_CTX_free(context);
  if (!done) return no_key();
  return std::string(reinterpret_cast<const char*>(out.data()), length);
}

}  // namespace

Result<SshKey> ssh_key_of(std::string_view seed, const std::string& comment) {
  const Pair pair = TRY(pair_of(seed));
  return SshKey{pem(private_blob(seed, pair.point, comment)),
                fmt::format("{} {}", kKeyType, base64(public_blob(pair.point)))};
}

Result<std::string> ssh_host_certificate(const SshHostWish& wish) {
  constexpr uint32_t kOfAHost = 2;
  const Pair authority = TRY(pair_of(wish.authority_seed));
  const Pair host = TRY(pair_of(wish.host_seed));
  std::string names;
  put_string(names, wish.name);
  std::string out;
  put_string(out, kCertificateType);
  put_string(out, wish.nonce);
  put_string(out, host.point);
  put_long(out, 0);  // serial
  put_number(out, kOfAHost);
  put_string(out, "devrun");  // what its sshd's log calls it
  put_string(out, names);
  put_long(out, wish.from);
  put_long(out, wish.until);
  for (int i = 0; i < 3; ++i) put_string(out, "");  // options, extensions, reserved
  put_string(out, public_blob(authority.point));
  std::string signature;
  put_string(signature, kKeyType);
  put_string(signature, TRY(signed_by(authority, out)));
  put_string(out, signature);
  return fmt::format("{} {}\n", kCertificateType, base64(out));
}

}  // namespace devrun
