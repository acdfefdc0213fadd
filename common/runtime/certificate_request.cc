#include "common/runtime/certificate_request.h"

#include <openssl/sha.h>

#include <ctime>

#include "common/runtime/openssl_values.h"

namespace devrun {

namespace {

Result<Time> time_of(const ASN1_TIME* value) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(value, &parts) != 1) return openssl_error("a certificate's time");
  return Time{static_cast<int64_t>(::timegm(&parts)) * 1'000'000};
}

}  // namespace

Result<Request> make_request() {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const RequestPtr request(X509_REQ_new());
  // Without a subject: whom the certificate is for is not the asker's to say.
  if (!key || !request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return openssl_error("request a certificate");
  }
  return Request{TRY(pem_of(key.get())), TRY(pem_of(request.get()))};
}

Result<Validity> validity_of(const std::string& certificate) {
  const CertificatePtr read = TRY(certificate_from_pem(certificate));
  return Validity{TRY(time_of(X509_get0_notBefore(read.get()))),
                  TRY(time_of(X509_get0_notAfter(read.get())))};
}

Result<std::string> fingerprint_of(const std::string& certificate) {
  const CertificatePtr read = TRY(certificate_from_pem(certificate));
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  unsigned size = 0;
  if (X509_digest(read.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(out.data()), &size) !=
          1 ||
      size != out.size()) {
    return openssl_error("a certificate's fingerprint");
  }
  return out;
}

}  // namespace devrun
