#include "agent/keeper/keeper_client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "common/base/version.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/node_calls.h"

namespace devrun::keeper {

namespace {

constexpr timeval kReplyTimeout{10, 0};

Result<Frame> exchange(int socket, const wire::KeeperCall& call, int fd_to_pass) {
  TRY(send_frame(socket, wire::encode(call), fd_to_pass));
  return receive_frame(socket);
}

Result<Descriptor> ask(const std::string& path, const wire::KeeperCall& call, int fd_to_pass = -1) {
  const UniqueFd socket = TRY(connect_unix(path));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
  TRY(exchange(socket.get(), wire::Greeting{"devrun", std::string(kVersion)}, -1));
  Frame frame = TRY(exchange(socket.get(), call, fd_to_pass));
  wire::KeeperAnswer answer = TRY(wire::decode_keeper_answer(frame.payload));
  if (auto* refusal = std::get_if<wire::Refusal>(&answer)) return std::move(refusal->error);
  auto* done = std::get_if<wire::KeeperDone>(&answer);
  if (done == nullptr) return Error{Code::kInternal, "the keeper answered something else", {}};
  return Descriptor{std::move(frame.fd), std::move(done->mounted_at)};
}

}  // namespace

Result<Descriptor> get(const std::string& socket, const std::string& name) {
  Descriptor out = TRY(ask(socket, wire::KeeperGet{name}));
  if (!out.fd) return Error{Code::kInternal, "the keeper sent no descriptor", {}};
  return out;
}

Status put(const std::string& socket, const std::string& name, int fd) {
  TRY(ask(socket, wire::KeeperPut{name}, fd));
  return ok();
}

Status stop(const std::string& socket) {
  TRY(ask(socket, wire::KeeperStop{}));
  return ok();
}

}  // namespace devrun::keeper
