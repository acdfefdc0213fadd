#include "agent/sync/channel.h"

namespace devrun::agent {
namespace {

// The controller's death shows as a reset connection; that of its machine only as silence, noticed within the sum of
// these. The controller permits pings as often as this (controller/rpc).
constexpr int kKeepaliveAfterMs = 5'000;
constexpr int kKeepaliveWaitMs = 5'000;
constexpr int kMessageBytesMax = 16 << 20;

std::shared_ptr<grpc::Channel> make_channel(
    const std::string& controller, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // or they would share one connection
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveAfterMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveWaitMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2'000);  // how long one try may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  auto channel = grpc::CreateCustomChannel(controller, credentials, arguments);
  channel->GetState(/*try_to_connect=*/true);
  return channel;
}

}  // namespace

Channels make_channels(const std::string& controller,
                       const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  return {make_channel(controller, credentials), make_channel(controller, credentials),
          make_channel(controller, credentials), make_channel(controller, credentials)};
}

}  // namespace devrun::agent
