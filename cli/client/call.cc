#include "cli/client/call.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/base/version.h"
#include "common/wire/error.h"

namespace devrun::cli {

namespace {

constexpr int kUnreadBytesMax = 4 << 20;  // of a stream
constexpr int kConnectMs = 3000;
constexpr int kBackoffMs = 50;
constexpr int kBackoffMaxMs = 1000;
constexpr int kReplyBytesMax = 64 << 20;
// A connection that dies in silence is noticed within the sum of these while a call is open. The controller asks after 6 s
// of silence itself (controller/rpc/server.cc), and who has just been heard is not asked: so as long as it lives, this costs
// nothing. Behind a socket there is the node's agent, which cannot go away in silence, and which finds out about the
// controller in this way.
constexpr int kKeepaliveAfterMs = 10'000;
constexpr int kKeepaliveWaitMs = 5'000;

std::string where(const Target& target) {
  return target.through_socket ? fmt::format("the controller, through {}", target.shown)
                               : fmt::format("the controller at {}", target.shown);
}

// Of a machine by packages, `devrun up` is no advice (cli/cluster/installed.h).
std::string how_to_start() {
  if (::access("/etc/devrun/controller.yaml", F_OK) == 0)
    return "systemctl status devrun-controller, or devrun doctor";
  if (::access("/etc/devrun/agent.yaml", F_OK) == 0)
    return "systemctl status devrun-controller on the controller's machine; devrun doctor here";
  return "devrun up, or devrun doctor";
}

Error unreachable(const grpc::Status& status, const Target& target) {
  // gRPC's own words name its layers; the last part is the operating system's.
  std::string why = status.error_message();
  const size_t last = why.rfind(": ");
  if (last != std::string::npos && last + 2 < why.size()) why = why.substr(last + 2);
  return {Code::kUnavailable, fmt::format("cannot reach {}: {}", where(target), why),
          target.through_socket ? "again in a moment; else `devrun doctor` on the storage host"
                                : how_to_start()};
}

}  // namespace

OpenCalls::One::One(OpenCalls& calls) : calls_(calls) {
  const std::lock_guard lock(calls_.mutex_);
  calls_.open_.insert(&context);
  if (calls_.cancelled_) context.TryCancel();
}

OpenCalls::One::~One() {
  const std::lock_guard lock(calls_.mutex_);
  calls_.open_.erase(&context);
}

void OpenCalls::cancel_all() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : open_) context->TryCancel();
}

std::shared_ptr<grpc::Channel> open_channel(const Target& target) {
  grpc::ChannelArguments arguments;
  // One known address: no proxy, no service configuration, and attempts that follow each other
  // fast, since people wait.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMaxMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  // A fixed window: the one that gRPC finds out by itself on a fast network let 150 MB of a large log pile up in us.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kUnreadBytesMax);
  if (target.through_socket) {
    return grpc::CreateCustomChannel(target.address, grpc::InsecureChannelCredentials(), arguments);
  }
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveAfterMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveWaitMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = target.ca;
  tls.pem_cert_chain = target.certificate;
  tls.pem_private_key = target.key;
  return grpc::CreateCustomChannel(target.address, grpc::SslCredentials(tls), arguments);
}

Error call_error(const grpc::Status& status, const Target& target) {
  const bool own_words = !status.error_details().empty();
  if (!own_words && status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return unreachable(status, target);
  if (!own_words && status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return {Code::kUnsupported,
            fmt::format("{} does not know this call: its version differs from {}", where(target),
                        kVersion),
            "the devrun of the controller's version"};
  }
  if (!own_words && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return {Code::kTimeout, fmt::format("{} has not answered in time", where(target)),
            "again in a moment; else `devrun doctor` on the storage host"};
  }
  return wire::error_of_call(static_cast<int>(status.error_code()), status.error_message(),
                             status.error_details());
}

}  // namespace devrun::cli
