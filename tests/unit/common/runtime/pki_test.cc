// The cluster's certificates: names, roles, validity, and a real TLS handshake with them.
#include "common/runtime/pki.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace devrun {
namespace {

X509* read_certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* out = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return out;
}

EVP_PKEY* read_key(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* out = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return out;
}

SSL_CTX* context_with(const Pem& own, const std::string& authority, bool server) {
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  X509* certificate = read_certificate(own.certificate);
  EVP_PKEY* key = read_key(own.key);
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509* root = read_certificate(authority);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  X509_free(certificate);
  X509_free(root);
  EVP_PKEY_free(key);
  return context;
}

// Both sides in memory, each checking the other; true if both are content with `host` as the
// server's name.
bool handshake(const Pem& server, const Pem& client, const std::string& authority,
               const std::string& host, bool address) {
  SSL_CTX* server_context = context_with(server, authority, true);
  SSL_CTX* client_context = context_with(client, authority, false);
  SSL* s = SSL_new(server_context);
  SSL* c = SSL_new(client_context);
  BIO* server_end = nullptr;
  BIO* client_end = nullptr;
  BIO_new_bio_pair(&server_end, 0, &client_end, 0);
  SSL_set_bio(s, server_end, server_end);
  SSL_set_bio(c, client_end, client_end);
  if (address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c), host.c_str());
  } else {
    SSL_set1_host(c, host.c_str());
  }
  SSL_set_accept_state(s);
  SSL_set_connect_state(c);
  int client_done = 0;
  int server_done = 0;
  for (int round = 0; round < 10 && (client_done != 1 || server_done != 1); ++round) {
    client_done = SSL_do_handshake(c);
    server_done = SSL_do_handshake(s);
  }
  SSL_free(s);
  SSL_free(c);
  SSL_CTX_free(server_context);
  SSL_CTX_free(client_context);
  return client_done == 1 && server_done == 1;
}

std::vector<std::string> uris_of(const std::string& pem) {
  X509* certificate = read_certificate(pem);
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::vector<std::string> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  X509_free(certificate);
  return out;
}

class Pki : public ::testing::Test {
 protected:
  Pem authority = make_authority("devrun test", 10).value();
  Pem controller = issue_certificate(authority, {Role::kController, "controller"},
                                     {"127.0.0.1", "localhost", "::1"}, 10)
                       .value();
  Pem node = issue_certificate(authority, {Role::kNode, "node1"}, {}, 10).value();
};

TEST_F(Pki, BothSidesOfAConnectionAcceptEachOther) {
  EXPECT_TRUE(handshake(controller, node, authority.certificate, "127.0.0.1", true));
  EXPECT_TRUE(handshake(controller, node, authority.certificate, "::1", true));
  EXPECT_TRUE(handshake(controller, node, authority.certificate, "localhost", false));
}

TEST_F(Pki, AnotherHostIsRefused) {
  EXPECT_FALSE(handshake(controller, node, authority.certificate, "127.0.0.2", true));
  EXPECT_FALSE(handshake(controller, node, authority.certificate, "example.org", false));
}

TEST_F(Pki, ANodeCannotPlayTheController) {
  EXPECT_FALSE(handshake(node, node, authority.certificate, "127.0.0.1", true));
  const Pem imposter =
      issue_certificate(authority, {Role::kNode, "node2"}, {"127.0.0.1"}, 10).value();
  EXPECT_FALSE(handshake(imposter, node, authority.certificate, "127.0.0.1", true));
}

TEST_F(Pki, CertificatesOfAnotherAuthorityAreRefused) {
  const Pem other = make_authority("devrun test", 10).value();
  const Pem stranger = issue_certificate(other, {Role::kNode, "node1"}, {}, 10).value();
  EXPECT_FALSE(handshake(controller, stranger, authority.certificate, "127.0.0.1", true));
}

TEST_F(Pki, TheNameIsAUri) {
  EXPECT_EQ(uris_of(node.certificate), std::vector<std::string>{"devrun:node:node1"});
  const Pem odd = issue_certificate(authority, {Role::kUser, "a,DNS:evil b"}, {}, 10).value();
  EXPECT_EQ(uris_of(odd.certificate), std::vector<std::string>{"devrun:user:a,DNS:evil b"});
}

TEST_F(Pki, AnEmptyNameOrABrokenAuthorityIsAnError) {
  EXPECT_EQ(issue_certificate(authority, {Role::kUser, ""}, {}, 10).error().code, Code::kInvalid);
  EXPECT_FALSE(issue_certificate({"no", "pem"}, {Role::kUser, "ada"}, {}, 10));
}

TEST(CertificateUri, RoundTrips) {
  for (const Role role : {Role::kNode, Role::kUser, Role::kAdmin, Role::kController}) {
    const auto parsed = parse_certificate_uri(certificate_uri({role, "n:1"}));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->role, role);
    EXPECT_EQ(parsed->name, "n:1");
  }
}

TEST(CertificateUri, RefusesWhatItDoesNotKnow) {
  for (const char* uri : {"", "devrun:", "devrun:node", "devrun:node:", "devrun:nodes:a",
                          "devrun:king:a", "spiffe:node:a", "devrun:node:../a"}) {
    EXPECT_FALSE(parse_certificate_uri(uri)) << uri;
  }
}

}  // namespace
}  // namespace devrun
