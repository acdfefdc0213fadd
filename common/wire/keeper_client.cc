#include "common/wire/keeper_client.h"

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

struct Answer {
  wire::KeeperAnswer words;
  UniqueFd fd;
};

Result<Answer> ask(const std::string& path, const wire::KeeperCall& call, int fd_to_pass = -1) {
  const UniqueFd socket = TRY(connect_unix(path));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
  TRY(exchange(socket.get(), wire::Greeting{"devrun", std::string(kVersion)}, -1));
  Frame frame = TRY(exchange(socket.get(), call, fd_to_pass));
  wire::KeeperAnswer words = TRY(wire::decode_keeper_answer(frame.payload));
  if (auto* refusal = std::get_if<wire::Refusal>(&words)) return std::move(refusal->error);
  return Answer{std::move(words), std::move(frame.fd)};
}

Error something_else() {
  return Error{Code::kInternal, "the keeper answered something else", {}};
}

Status expect_done(const Answer& answer) {
  if (!std::holds_alternative<wire::KeeperDone>(answer.words)) return something_else();
  return ok();
}

}  // namespace

Result<Descriptor> get(const std::string& socket, const std::string& name) {
  Answer answer = TRY(ask(socket, wire::KeeperGet{name}));
  auto* done = std::get_if<wire::KeeperDone>(&answer.words);
  if (done == nullptr) return something_else();
  if (!answer.fd) return Error{Code::kInternal, "the keeper sent no descriptor", {}};
  return Descriptor{std::move(answer.fd), std::move(done->mounted_at)};
}

Status put(const std::string& socket, const std::string& name, int fd) {
  return expect_done(TRY(ask(socket, wire::KeeperPut{name}, fd)));
}

Status run(const std::string& socket, const wire::KeeperRun& program) {
  return expect_done(TRY(ask(socket, program)));
}

Result<wire::KeeperSeen> look(const std::string& socket) {
  Answer answer = TRY(ask(socket, wire::KeeperLook{}));
  auto* seen = std::get_if<wire::KeeperSeen>(&answer.words);
  if (seen == nullptr) return something_else();
  return std::move(*seen);
}

Status stop(const std::string& socket) {
  return expect_done(TRY(ask(socket, wire::KeeperStop{})));
}

}  // namespace devrun::keeper
