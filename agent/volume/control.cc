#include "agent/volume/control.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "common/base/version.h"
#include "common/runtime/unix_socket.h"

namespace devrun::volume {

namespace {
// A client that says nothing for so long is gone.
constexpr timeval kSilenceMax{30, 0};
}  // namespace

Result<std::unique_ptr<Control>> Control::open(const std::string& socket, Services services) {
  UniqueFd listener = TRY(listen_unix(socket));
  return std::unique_ptr<Control>(new Control(std::move(listener), std::move(services)));
}

Control::Control(UniqueFd listener, Services services)
    : listener_(std::move(listener)), services_(std::move(services)) {
  for (unsigned i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { serve(stop); });
  }
}

Control::~Control() {
  for (std::jthread& thread : threads_) thread.request_stop();
  ::shutdown(listener_.get(), SHUT_RDWR);  // wakes those in accept
  threads_.clear();
}

void Control::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Result<UniqueFd> connection = accept_unix(listener_.get());
    if (!connection) {
      if (stop.stop_requested()) return;
      // Out of descriptors, most likely: others will close theirs.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    const Result<PeerCredentials> peer = peer_credentials(connection->get());
    if (peer && peer->uid == 0) converse(connection->get());
  }
}

void Control::converse(int connection) {
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kSilenceMax, sizeof kSilenceMax);
  ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kSilenceMax, sizeof kSilenceMax);
  for (;;) {
    const Result<Frame> frame = receive_frame(connection);
    if (!frame) return;
    const Result<wire::FsCall> call = wire::decode_fs_call(frame->payload);
    const wire::FsAnswer words = call ? answer(*call) : wire::FsAnswer{wire::Refusal{call.error()}};
    if (!send_frame(connection, wire::encode(words)) || !call) return;
  }
}

wire::FsAnswer Control::answer(const wire::FsCall& call) {
  if (const auto* prepare = std::get_if<wire::FsPrepareTree>(&call)) {
    Result<wire::FsTreePath> path = services_.prepare(*prepare);
    if (!path) return wire::Refusal{std::move(path).error()};
    return std::move(*path);
  }
  if (std::holds_alternative<wire::FsCount>(call)) return services_.count();
  if (const auto* end = std::get_if<wire::FsEndRun>(&call)) {
    return wire::FsTrace{services_.end_run(end->id)};
  }
  if (const auto* watched = std::get_if<wire::FsWatched>(&call)) {
    std::optional<std::string> told = services_.watched(watched->id);
    if (told) return wire::FsTrace{std::move(*told)};
    return wire::Refusal{{Code::kNotFound, "nothing is known of that watch", {}}};
  }
  return wire::Greeting{"devrun-fs", std::string(kVersion)};
}

}  // namespace devrun::volume
