#include "common/runtime/seal.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <climits>
#include <cstring>
#include <memory>

#include "common/base/check.h"
#include "common/runtime/file.h"

namespace devrun {

namespace {

constexpr char kVersionByte = 1;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kOverheadBytes = 1 + kNonceBytes + kTagBytes;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

unsigned char* bytes(char* p) {
  return reinterpret_cast<unsigned char*>(p);
}
const unsigned char* bytes(const char* p) {
  return reinterpret_cast<const unsigned char*>(p);
}

Error crypto_error(const char* doing) {
  return {Code::kInternal, fmt::format("{}: OpenSSL refused", doing), {}};
}

Status make_key(const std::string& path) {
  std::string key(32, '\0');
  if (RAND_bytes(bytes(key.data()), 32) != 1) return crypto_error("making a sealing key");
  return write_file_durably(path, key, 0600);
}

}  // namespace

Result<Sealer> Sealer::open(const std::string& key_path) {
  struct stat found {};
  if (::stat(key_path.c_str(), &found) != 0 && errno == ENOENT) TRY(make_key(key_path));
  const std::string key = TRY(read_file(key_path, 4096));
  Sealer sealer;
  if (key.size() != sealer.key_.size()) {
    return Error{Code::kCorrupt,
                 fmt::format("the sealing key {} has {} bytes, expected 32", key_path, key.size()),
                 "restore it from a backup: without it, environments of known jobs cannot be read"};
  }
  std::memcpy(sealer.key_.data(), key.data(), key.size());
  return sealer;
}

Result<std::string> Sealer::seal(std::string_view clear) const {
  if (clear.size() > INT_MAX / 2) return Error{Code::kInvalid, "too large to seal", {}};
  std::string out(kOverheadBytes + clear.size(), '\0');
  out[0] = kVersionByte;
  unsigned char* nonce = bytes(out.data()) + 1;
  unsigned char* text = nonce + kNonceBytes;
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool sealed =
      RAND_bytes(nonce, kNonceBytes) == 1 &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
      EVP_EncryptUpdate(context.get(), text, &written, bytes(clear.data()),
                        static_cast<int>(clear.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), text + written, &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, text + clear.size()) == 1;
  if (!sealed) return crypto_error("sealing");
  return out;
}

Digest Sealer::keyed_hash(std::string_view clear) const {
  Digest out;
  unsigned int written = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), bytes(clear.data()),
           clear.size(), out.bytes.data(), &written);
  CHECK(made != nullptr && written == out.bytes.size());
  return out;
}

Result<std::string> Sealer::unseal(std::string_view sealed) const {
  const Error corrupt{
      Code::kCorrupt, "unsealing: the bytes were changed, or sealed under another key", {}};
  if (sealed.size() < kOverheadBytes || sealed.size() > INT_MAX / 2 || sealed[0] != kVersionByte) {
    return corrupt;
  }
  const size_t size = sealed.size() - kOverheadBytes;
  const unsigned char* nonce = bytes(sealed.data()) + 1;
  const unsigned char* text = nonce + kNonceBytes;
  std::array<unsigned char, kTagBytes> tag{};
  std::memcpy(tag.data(), text + size, kTagBytes);
  std::string clear(size, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool opened =
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(clear.data()), &written, text,
                        static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(clear.data()) + written, &written) == 1;
  if (!opened) return corrupt;
  return clear;
}

}  // namespace devrun
