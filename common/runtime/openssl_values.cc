#include "common/runtime/openssl_values.h"

#include <fmt/format.h>

namespace devrun {

namespace {

template <typename Write>
Result<std::string> written(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) return openssl_error("write PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

BioPtr reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace

Error openssl_error(std::string_view what) {
  char text[256] = "unknown";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return {Code::kInternal, fmt::format("{}: {}", what, text), {}};
}

Result<std::string> pem_of(X509* certificate) {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

Result<std::string> pem_of(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Result<std::string> pem_of(X509_REQ* request) {
  return written([&](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request); });
}

Result<CertificatePtr> certificate_from_pem(const std::string& pem) {
  const BioPtr bio = reader(pem);
  CertificatePtr out(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!out) return openssl_error("read a certificate");
  return out;
}

Result<KeyPtr> key_from_pem(const std::string& pem) {
  const BioPtr bio = reader(pem);
  KeyPtr out(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!out) return openssl_error("read a key");
  return out;
}

Result<RequestPtr> request_from_pem(const std::string& pem) {
  const BioPtr bio = reader(pem);
  RequestPtr out(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (out) return out;
  Error error = openssl_error("read a request for a certificate");
  error.code = Code::kInvalid;
  return error;
}

}  // namespace devrun
