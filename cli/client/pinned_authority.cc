#include "cli/client/pinned_authority.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "cli/client/target.h"
#include "common/runtime/certificate_request.h"

namespace devrun::cli {

namespace {

namespace tls = grpc::experimental;

constexpr std::string_view kEndOfCertificate = "-----END CERTIFICATE-----\n";

// The certificate of the chain that has the fingerprint.
std::optional<std::string> find_in(std::string_view chain, const std::string& fingerprint) {
  while (!chain.empty()) {
    const size_t end = chain.find(kEndOfCertificate);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string one(chain.substr(0, end + kEndOfCertificate.size()));
    chain.remove_prefix(one.size());
    const auto found = fingerprint_of(one);
    if (found && *found == fingerprint) return one;
  }
  return std::nullopt;
}

struct Seen {
  std::mutex mutex;
  bool chain = false;
  std::optional<std::string> authority;
};

// Looks, and lets nobody in: what comes by this connection is proven by nothing.
class Look final : public tls::ExternalCertificateVerifier {
 public:
  Look(std::shared_ptr<Seen> seen, std::string fingerprint)
      : seen_(std::move(seen)), fingerprint_(std::move(fingerprint)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const grpc::string_ref chain = request->peer_cert_full_chain();
    const std::lock_guard lock(seen_->mutex);
    seen_->chain = true;
    seen_->authority = find_in({chain.data(), chain.size()}, fingerprint_);
    *status = {grpc::StatusCode::UNAUTHENTICATED, "only looked at"};
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::shared_ptr<Seen> seen_;
  const std::string fingerprint_;
};

}  // namespace

Result<std::string> fetch_authority(const std::string& endpoint, const std::string& fingerprint,
                                    Duration patience) {
  const auto seen = std::make_shared<Seen>();
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<Look>(seen, fingerprint));
  const auto channel =
      grpc::CreateChannel(TRY(grpc_address(endpoint)), tls::TlsCredentials(options));
  const auto deadline = std::chrono::system_clock::now() + std::chrono::microseconds(patience.us);
  // Waiting for a change is what drives the connection: without a call nobody else does.
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_TRANSIENT_FAILURE && channel->WaitForStateChange(state, deadline)) {
    state = channel->GetState(/*try_to_connect=*/true);
  }
  const std::lock_guard lock(seen->mutex);
  if (seen->authority) return *seen->authority;
  if (seen->chain) {
    return Error{
        Code::kDenied,
        fmt::format("{} is not the controller that this token is of: its authority is another",
                    endpoint),
        "look whether the address is right; if it is, somebody is in between"};
  }
  return Error{Code::kUnavailable,
               fmt::format("nobody at {} answers as a controller does", endpoint),
               "systemctl status devrun-controller there, and look whether a firewall lets this "
               "port through"};
}

}  // namespace devrun::cli
