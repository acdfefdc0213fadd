#include "agent/keeper/keeper_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

#include "common/base/version.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/node_calls.h"

namespace devrun::keeper {

namespace {

// How long the rest of a frame may take, once its first byte is here.
constexpr timeval kFrameTimeout{1, 0};

bool answer(int connection, const wire::KeeperAnswer& words, int fd_to_pass = -1) {
  return send_frame(connection, wire::encode(words), fd_to_pass).has_value();
}

}  // namespace

KeeperServer::KeeperServer(UniqueFd listener, std::map<std::string, Kept> kept)
    : listener_(std::move(listener)), kept_(std::move(kept)) {}

Status KeeperServer::run(int stop_fd) {
  while (!stopped_) {
    std::vector<pollfd> polled{{stop_fd, POLLIN, 0},
                               {listener_.get(), POLLIN, 0},
                               {program_.end_fd(), POLLIN, 0}};  // -1: left out
    constexpr size_t kFixed = 3;
    for (const UniqueFd& connection : connections_) polled.push_back({connection.get(), POLLIN, 0});
    if (::poll(polled.data(), polled.size(), program_.wait_ms(Program::Clock::now())) < 0) {
      if (errno == EINTR) continue;
      return errno_error("poll", errno);
    }
    if (polled[0].revents != 0) return ok();
    // After the stop, or what ends with us would be started again.
    program_.advance(Program::Clock::now());
    for (size_t i = kFixed; i < polled.size() && !stopped_; ++i) {
      if (polled[i].revents != 0 && !serve(polled[i].fd)) connections_[i - kFixed].reset();
    }
    std::erase_if(connections_, [](const UniqueFd& connection) { return !connection; });
    if (polled[1].revents != 0) accept_one();
  }
  return ok();
}

void KeeperServer::accept_one() {
  Result<UniqueFd> connection = accept_unix(listener_.get());
  if (!connection) return;
  const Result<PeerCredentials> peer = peer_credentials(connection->get());
  if (!peer || peer->uid != 0) return;
  ::setsockopt(connection->get(), SOL_SOCKET, SO_RCVTIMEO, &kFrameTimeout, sizeof kFrameTimeout);
  ::setsockopt(connection->get(), SOL_SOCKET, SO_SNDTIMEO, &kFrameTimeout, sizeof kFrameTimeout);
  // The oldest goes: they are short talks, and who only wanted our namespace hangs up at once.
  if (connections_.size() >= kConnectionsMax) connections_.erase(connections_.begin());
  connections_.push_back(std::move(*connection));
}

bool KeeperServer::serve(int connection) {
  Result<Frame> frame = receive_frame(connection);
  if (!frame) return false;
  Result<wire::KeeperCall> call = wire::decode_keeper_call(frame->payload);
  if (!call) {
    answer(connection, wire::Refusal{call.error()});
    return false;
  }
  if (std::holds_alternative<wire::Greeting>(*call)) {
    return answer(connection, wire::Greeting{"devrun-keeper", std::string(kVersion)});
  }
  if (const auto* get = std::get_if<wire::KeeperGet>(&*call))
    return answer_get(connection, get->name);
  if (const auto* put = std::get_if<wire::KeeperPut>(&*call)) {
    return answer_put(connection, put->name, std::move(frame->fd));
  }
  if (auto* run = std::get_if<wire::KeeperRun>(&*call)) {
    return answer_run(connection, std::move(*run));
  }
  if (std::holds_alternative<wire::KeeperLook>(*call)) return answer(connection, program_.seen());
  stopped_ = true;
  answer(connection, wire::KeeperDone{});
  return false;
}

bool KeeperServer::answer_get(int connection, const std::string& name) {
  const auto found = kept_.find(name);
  if (found == kept_.end()) {
    return answer(connection, wire::Refusal{{Code::kNotFound,
                                             fmt::format("the keeper has no descriptor '{}'", name),
                                             {}}});
  }
  return answer(connection, wire::KeeperDone{found->second.mounted_at}, found->second.fd.get());
}

bool KeeperServer::answer_put(int connection, const std::string& name, UniqueFd fd) {
  if (!fd || name.empty() || name.size() > kNameBytesMax) {
    return answer(connection,
                  wire::Refusal{{Code::kInvalid, "put: a name and a descriptor are needed", {}}});
  }
  const auto found = kept_.find(name);
  if (found == kept_.end() && kept_.size() >= kKeptMax) {
    return answer(connection,
                  wire::Refusal{{Code::kExhausted, "the keeper keeps no more descriptors", {}}});
  }
  kept_[name].fd = std::move(fd);
  return answer(connection, wire::KeeperDone{});
}

bool KeeperServer::answer_run(int connection, wire::KeeperRun what) {
  if (what.words.empty() || what.log.empty()) {
    return answer(connection,
                  wire::Refusal{{Code::kInvalid, "run: a program and a log are needed", {}}});
  }
  program_.run(std::move(what), Program::Clock::now());
  return answer(connection, wire::KeeperDone{});
}

}  // namespace devrun::keeper
