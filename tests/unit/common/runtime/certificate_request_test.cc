// Certificates for keys that their owners keep.
#include "common/runtime/certificate_request.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/runtime/openssl_values.h"

namespace devrun {
namespace {

constexpr Time kIssued{1'700'000'000'000'001};

TEST(CertificateRequest, IsCertifiedForItsOwnKey) {
  const Pem authority = *make_authority("test", 1);
  const auto request = make_request();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->request.find("PRIVATE KEY"), std::string::npos);
  const auto certificate =
      certify_request(authority, request->request, {Role::kNode, "node7"}, kIssued, seconds(3600));
  ASSERT_TRUE(certificate) << certificate.error().message;
  const CertificatePtr read = *certificate_from_pem(*certificate);
  const KeyPtr key = *key_from_pem(request->key);
  EXPECT_EQ(X509_check_private_key(read.get(), key.get()), 1);
  const CertificatePtr issuer = *certificate_from_pem(authority.certificate);
  EXPECT_EQ(X509_verify(read.get(), X509_get0_pubkey(issuer.get())), 1);
}

TEST(CertificateRequest, SaysWhomAndWhen) {
  const Pem authority = *make_authority("test", 1);
  const auto certificate = certify_request(authority, make_request()->request,
                                           {Role::kNode, "node7"}, kIssued, seconds(3600));
  const CertificatePtr read = *certificate_from_pem(*certificate);
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(read.get(), NID_subject_alt_name, nullptr, nullptr));
  const GeneralNamesPtr owner(names);
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
  }
  ASSERT_EQ(uris.size(), 2u);
  EXPECT_EQ(parse_certificate_uri(uris[0])->name, "node7");
  EXPECT_EQ(parse_issued_uri(uris[1]), kIssued);
  EXPECT_FALSE(parse_certificate_uri(uris[1]));
  EXPECT_FALSE(parse_issued_uri(uris[0]));
  const auto validity = validity_of(*certificate);
  ASSERT_TRUE(validity);
  // Before it was made as long as after, at most an hour.
  EXPECT_EQ((validity->until - validity->from).us, seconds(7200).us);
}

TEST(CertificateRequest, OfAnotherKeyOrNoneIsRefused) {
  const Pem authority = *make_authority("test", 1);
  const auto certify = [&](const std::string& request) {
    return certify_request(authority, request, {Role::kNode, "n"}, kIssued, seconds(3600));
  };
  EXPECT_EQ(certify("").error().code, Code::kInvalid);
  EXPECT_EQ(certify("hello").error().code, Code::kInvalid);
  // The name changed after it was signed: whoever sends it cannot sign it.
  const RequestPtr request = *request_from_pem(make_request()->request);
  const KeyPtr other(EVP_EC_gen("P-256"));
  X509_REQ_set_pubkey(request.get(), other.get());
  EXPECT_EQ(certify(*pem_of(request.get())).error().code, Code::kInvalid);
  // Keys that we do not make.
  const KeyPtr weak(EVP_RSA_gen(1024));
  const RequestPtr rsa(X509_REQ_new());
  X509_REQ_set_pubkey(rsa.get(), weak.get());
  X509_REQ_sign(rsa.get(), weak.get(), EVP_sha256());
  EXPECT_EQ(certify(*pem_of(rsa.get())).error().code, Code::kInvalid);
}

TEST(Fingerprint, IsOfTheFirstCertificate) {
  const Pem one = *make_authority("one", 1);
  const Pem two = *make_authority("two", 1);
  EXPECT_EQ(fingerprint_of(one.certificate)->size(), 32u);
  EXPECT_EQ(*fingerprint_of(one.certificate + two.certificate), *fingerprint_of(one.certificate));
  EXPECT_NE(*fingerprint_of(one.certificate), *fingerprint_of(two.certificate));
  EXPECT_FALSE(fingerprint_of("nothing"));
}

}  // namespace
}  // namespace devrun
