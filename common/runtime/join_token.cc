#include "common/runtime/join_token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <vector>

#include "common/runtime/certificate_request.h"

namespace devrun {

namespace {

constexpr std::string_view kPrefix = "devrun1.";
constexpr size_t kSecretBytes = 24;
constexpr size_t kFingerprintBytes = 32;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// base64url without padding: nothing that a shell takes for its own.
std::string encode(std::string_view data) {
  std::vector<unsigned char> out(4 * ((data.size() + 2) / 3) + 1);
  EVP_EncodeBlock(out.data(), bytes(data), static_cast<int>(data.size()));
  std::string text(reinterpret_cast<const char*>(out.data()));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

// Empty unless it is `size` bytes.
std::string decode(std::string_view word, size_t size) {
  std::string text(word);
  if (text.find_first_of("+/=") != std::string::npos) return {};
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  std::vector<unsigned char> out(3 * (text.size() / 4) + 1);
  const int got = EVP_DecodeBlock(out.data(), bytes(text), static_cast<int>(text.size()));
  const size_t padding = static_cast<size_t>(std::count(text.begin(), text.end(), '='));
  if (got < 0 || static_cast<size_t>(got) - padding != size) return {};
  std::string data(reinterpret_cast<const char*>(out.data()), size);
  return encode(data) == word ? data : std::string();
}

}  // namespace

Result<JoinToken> make_join_token(const std::string& authority) {
  JoinToken out;
  out.fingerprint = TRY(fingerprint_of(authority));
  out.secret.resize(kSecretBytes);
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.secret.data()), kSecretBytes) != 1) {
    return Error{Code::kInternal, "no random bytes for a token", {}};
  }
  return out;
}

std::string to_string(const JoinToken& token) {
  return std::string(kPrefix) + encode(token.secret) + "." + encode(token.fingerprint);
}

Result<JoinToken> parse_join_token(std::string_view text) {
  const auto bad = [](const char* what) {
    return Error{
        Code::kInvalid,
        std::string("this is no token of `devrun nodes add` or `devrun user add`: ") + what,
        "the whole line that it printed, once more"};
  };
  if (!text.starts_with(kPrefix)) return bad("it does not begin with `devrun1.`");
  text.remove_prefix(kPrefix.size());
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return bad("its end is missing");
  JoinToken out{decode(text.substr(0, dot), kSecretBytes),
                decode(text.substr(dot + 1), kFingerprintBytes)};
  if (out.secret.empty()) return bad("its first part is damaged");
  if (out.fingerprint.empty()) return bad("its end is missing or damaged");
  return out;
}

std::string hash_of_secret(std::string_view secret) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(bytes(secret), secret.size(), reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

}  // namespace devrun
