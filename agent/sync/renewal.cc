#include "agent/sync/renewal.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/file.h"
#include "common/wire/error.h"
#include "devrun/v1/enrolment.grpc.pb.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {

constexpr Duration kLookAtLeast = seconds(1);
constexpr Duration kLookAtMost = seconds(3600);
constexpr auto kPatience = std::chrono::seconds(10);

Duration fraction(Duration whole, int64_t part) {
  return {std::clamp(whole.us / part, kLookAtLeast.us, kLookAtMost.us)};
}

}  // namespace

Renewal::Renewal(std::string controller, std::string authority_file, std::string identity_file,
                 std::function<void()> renewed)
    : controller_(std::move(controller)),
      authority_file_(std::move(authority_file)),
      identity_file_(std::move(identity_file)),
      renewed_(std::move(renewed)) {
  loop_.start();
  loop_.post([this] { look(); });
}

void Renewal::look() {
  const Result<std::string> identity = read_file(identity_file_);
  const Result<Validity> validity =
      identity ? validity_of(*identity) : Result<Validity>(identity.error());
  if (!validity) {
    log::error("{}: {}", identity_file_, validity.error().message);
    loop_.post_after(kLookAtMost, [this] { look(); });
    return;
  }
  const Duration life = validity->until - validity->from;
  const Duration left = validity->until - wall_now();
  if (left.us > life.us / 4) {
    loop_.post_after(fraction({left.us - life.us / 4}, 2), [this] { look(); });
    return;
  }
  const Status done = renew();
  if (done) return renewed_();
  log::warning("the certificate, which ends in {}, is not renewed: {}",
               format_duration({std::max<int64_t>(left.us, 0)}), done.error().message);
  loop_.post_after(fraction(left, 10), [this] { look(); });
}

Status Renewal::renew() {
  const std::string identity = TRY(read_file(identity_file_));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = TRY(read_file(authority_file_));
  options.pem_cert_chain = identity;
  options.pem_private_key = identity;
  const auto channel = grpc::CreateChannel(controller_, grpc::SslCredentials(options));
  const auto stub = pb::Enrolment::NewStub(channel);
  Request made = TRY(make_request());
  pb::RenewRequest request;
  request.set_request(made.request);
  pb::RenewReply reply;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const grpc::Status called = stub->Renew(&context, request, &reply);
  if (!called.ok()) {
    return wire::error_of_call(static_cast<int>(called.error_code()), called.error_message(),
                               called.error_details());
  }
  TRY(write_file_durably(identity_file_, made.key + reply.certificate(), 0600));
  log::info("the certificate is renewed");
  return ok();
}

}  // namespace devrun::agent
