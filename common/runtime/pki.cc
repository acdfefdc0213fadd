#include "common/runtime/pki.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/parse_number.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/openssl_values.h"

namespace devrun {

namespace {

constexpr long kSecondsPerDay = 24L * 3600;
// Nodes' clocks differ; a certificate is valid a little before it was made, at most for as long as after.
constexpr long kClockSkewSeconds = 3600;

Status set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return openssl_error("random serial");
  }
  bytes[0] &= 0x7f;  // positive, as RFC 5280 wants it
  BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool set = number != nullptr &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  if (!set) return openssl_error("set serial");
  return ok();
}

// A certificate for `key` with version, serial, validity and subject set; issuer, extensions and
// signature are the caller's.
Result<CertificatePtr> new_certificate(EVP_PKEY* key, const std::string& common_name,
                                       long life_seconds) {
  CertificatePtr out(X509_new());
  if (!out || X509_set_version(out.get(), X509_VERSION_3) != 1) return openssl_error("certificate");
  TRY(set_random_serial(out.get()));
  X509_NAME* subject = X509_get_subject_name(out.get());
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  if (X509_gmtime_adj(X509_getm_notBefore(out.get()), -std::min(kClockSkewSeconds, life_seconds)) ==
          nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(out.get()), life_seconds) == nullptr ||
      X509_set_pubkey(out.get(), key) != 1 ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text,
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    return openssl_error("fill certificate");
  }
  return out;
}

// `value` in OpenSSL's own notation; only constants of ours come here, names of users never do.
Status add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return openssl_error(fmt::format("extension {}", value));
  }
  return ok();
}

Status push_text_name(GENERAL_NAMES* names, int type, std::string_view text) {
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr ||
      ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1) {
    ASN1_IA5STRING_free(value);
    GENERAL_NAME_free(name);
    return openssl_error("alternative name");
  }
  GENERAL_NAME_set0_value(name, type, value);
  sk_GENERAL_NAME_push(names, name);
  return ok();
}

Status push_host(GENERAL_NAMES* names, const std::string& host) {
  std::array<unsigned char, 16> address{};
  int size = 0;
  if (::inet_pton(AF_INET, host.c_str(), address.data()) == 1) size = 4;
  if (::inet_pton(AF_INET6, host.c_str(), address.data()) == 1) size = 16;
  if (size == 0) return push_text_name(names, GEN_DNS, host);
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr ||
      ASN1_OCTET_STRING_set(value, address.data(), size) != 1) {
    ASN1_OCTET_STRING_free(value);
    GENERAL_NAME_free(name);
    return openssl_error("alternative name");
  }
  GENERAL_NAME_set0_value(name, GEN_IPADD, value);
  sk_GENERAL_NAME_push(names, name);
  return ok();
}

Status add_names(X509* certificate, const Certified& who, const std::vector<std::string>& hosts,
                 Time issued) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (!names) return openssl_error("alternative names");
  TRY(push_text_name(names.get(), GEN_URI, certificate_uri(who)));
  if (issued.us != 0) TRY(push_text_name(names.get(), GEN_URI, issued_uri(issued)));
  for (const std::string& host : hosts) TRY(push_host(names.get(), host));
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) != 1) {
    return openssl_error("alternative names");
  }
  return ok();
}

Status sign(X509* certificate, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) return openssl_error("sign certificate");
  return ok();
}

struct Wanted {
  const Certified& who;
  const std::vector<std::string>& hosts;
  Time issued;
  long life_seconds;
};

Result<std::string> certify(const Pem& authority, EVP_PKEY* key, const Wanted& wanted) {
  const Certified& who = wanted.who;
  if (who.name.empty()) return Error{Code::kInvalid, "a certificate needs a name", {}};
  const CertificatePtr issuer = TRY(certificate_from_pem(authority.certificate));
  const KeyPtr issuer_key = TRY(key_from_pem(authority.key));
  // A subject is for people and at most 64 characters; the URI name is what counts.
  const std::string subject = fmt::format("{} {}", role_name(who.role), who.name).substr(0, 64);
  const CertificatePtr certificate = TRY(new_certificate(key, subject, wanted.life_seconds));
  X509* self = certificate.get();
  X509_set_issuer_name(self, X509_get_subject_name(issuer.get()));
  const bool server = who.role == Role::kController;
  TRY(add_extension(self, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  TRY(add_extension(self, issuer.get(), NID_key_usage, "critical,digitalSignature"));
  TRY(add_extension(self, issuer.get(), NID_ext_key_usage,
                    server ? "serverAuth,clientAuth" : "clientAuth"));
  TRY(add_extension(self, issuer.get(), NID_authority_key_identifier, "keyid"));
  TRY(add_names(self, who, wanted.hosts, wanted.issued));
  TRY(sign(self, issuer_key.get()));
  return pem_of(self);
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kNode:
      return "node";
    case Role::kUser:
      return "user";
    case Role::kAdmin:
      return "admin";
    case Role::kController:
      return "controller";
    case Role::kReader:
      return "read-only";
  }
  return "unknown";
}

std::optional<Role> role_named(std::string_view name) {
  for (const Role role :
       {Role::kNode, Role::kUser, Role::kAdmin, Role::kController, Role::kReader}) {
    if (role_name(role) == name) return role;
  }
  return std::nullopt;
}

Result<Pem> make_authority(const std::string& common_name, int days) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("generate key");
  const CertificatePtr certificate =
      TRY(new_certificate(key.get(), common_name, kSecondsPerDay * days));
  X509* self = certificate.get();
  X509_set_issuer_name(self, X509_get_subject_name(self));
  TRY(add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  TRY(add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign"));
  TRY(add_extension(self, self, NID_subject_key_identifier, "hash"));
  TRY(sign(self, key.get()));
  return Pem{TRY(pem_of(self)), TRY(pem_of(key.get()))};
}

Result<Pem> issue_certificate(const Pem& authority, const Certified& who,
                              const std::vector<std::string>& hosts, int days) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("generate key");
  std::string certificate =
      TRY(certify(authority, key.get(), {who, hosts, {}, kSecondsPerDay * days}));
  return Pem{std::move(certificate), TRY(pem_of(key.get()))};
}

Result<std::string> certify_request(const Pem& authority, const std::string& request,
                                    const Certified& who, Time issued, Duration life) {
  const RequestPtr asked = TRY(request_from_pem(request));
  EVP_PKEY* key = X509_REQ_get0_pubkey(asked.get());
  // The keys that we make: neither a weak one nor one that takes a second to check.
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get_bits(key) != 256 ||
      X509_REQ_verify(asked.get(), key) != 1) {
    ERR_clear_error();
    return Error{
        Code::kInvalid, "the request for a certificate is not signed with its own key", {}};
  }
  const long seconds = static_cast<long>(life.us / 1'000'000);
  return certify(authority, key, {who, {}, issued, std::max(1L, seconds)});
}

std::string certificate_uri(const Certified& who) {
  return fmt::format("devrun:{}:{}", role_name(who.role), who.name);
}

std::optional<Certified> parse_certificate_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "devrun:";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon + 1 == uri.size()) return std::nullopt;
  const std::optional<Role> role = role_named(uri.substr(0, colon));
  const std::string_view name = uri.substr(colon + 1);
  // A NUL or a slash would let one name pass for another, or for a path.
  if (!role || name.find_first_of(std::string_view("\0/\n", 3)) != std::string_view::npos) {
    return std::nullopt;
  }
  return Certified{*role, std::string(name)};
}

namespace {
constexpr std::string_view kIssued = "devrun:issued:";
}

std::string issued_uri(Time issued) {
  return fmt::format("{}{}", kIssued, issued.us);
}

std::optional<Time> parse_issued_uri(std::string_view uri) {
  if (!uri.starts_with(kIssued)) return std::nullopt;
  const auto us = parse_number<int64_t>(uri.substr(kIssued.size()));
  return us ? std::optional(Time{*us}) : std::nullopt;
}

}  // namespace devrun
