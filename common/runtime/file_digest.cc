#include "common/runtime/file_digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "common/base/check.h"
#include "common/runtime/file.h"

namespace devrun {

namespace {
constexpr size_t kPieceBytes = 1 << 20;
}

Result<Digest> sha256_of_file(const std::string& path) {
  const UniqueFd file = TRY(open_file(path, O_RDONLY));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const ssize_t n = ::read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path, errno);
    if (n == 0) break;
    CHECK(EVP_DigestUpdate(context.get(), piece.data(), static_cast<size_t>(n)) == 1);
  }
  Digest out;
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(context.get(), out.bytes.data(), &size) == 1 &&
        size == out.bytes.size());
  return out;
}

}  // namespace devrun
