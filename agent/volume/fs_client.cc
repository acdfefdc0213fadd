#include "agent/volume/fs_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <optional>
#include <thread>

#include "common/base/version.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/node_calls.h"

namespace devrun {

namespace {

// Longer than devrun-fs itself waits for the store: it answers with the better reason.
constexpr timeval kReplyTimeout{30, 0};
constexpr std::chrono::milliseconds kPause{50};

using GivenUp = std::function<bool()>;

// Until something can be read, or the answer is late.
Status await_answer(int socket, const GivenUp& given_up) {
  constexpr int kLookEveryMs = 100;
  pollfd readable{socket, POLLIN, 0};
  for (int waited_ms = 0; waited_ms < kReplyTimeout.tv_sec * 1000; waited_ms += kLookEveryMs) {
    if (::poll(&readable, 1, kLookEveryMs) > 0) break;
    if (given_up()) return Error{Code::kCancelled, "given up while devrun-fs was asked", {}};
  }
  return ok();
}

Result<Frame> exchange(int socket, const wire::FsCall& call, const GivenUp& given_up) {
  TRY(send_frame(socket, wire::encode(call)));
  if (given_up) TRY(await_answer(socket, given_up));
  return receive_frame(socket);
}

Error away(Error error) {
  error.code = Code::kTimeout;
  return std::move(error).context("asking devrun-fs");
}

// None: devrun-fs is away.
Result<std::optional<wire::FsAnswer>> ask_once(const std::string& path, const wire::FsCall& call,
                                               const GivenUp& given_up, Error& why) {
  Result<UniqueFd> socket = connect_unix(path);
  Result<Frame> frame = Frame{};
  if (socket) {
    ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
    ::setsockopt(socket->get(), SOL_SOCKET, SO_SNDTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
    frame =
        exchange(socket->get(), wire::Greeting{"devrun-agent", std::string(kVersion)}, given_up);
    if (frame) frame = exchange(socket->get(), call, given_up);
  }
  if (!frame && frame.error().code == Code::kCancelled) return std::move(frame).error();
  if (!socket || !frame) {
    why = socket ? std::move(frame).error() : std::move(socket).error();
    return std::optional<wire::FsAnswer>();
  }
  wire::FsAnswer answer = TRY(wire::decode_fs_answer(frame->payload));
  if (auto* refusal = std::get_if<wire::Refusal>(&answer)) return std::move(refusal->error);
  return std::optional(std::move(answer));
}

Result<wire::FsAnswer> ask(const std::string& path, const wire::FsCall& call,
                           std::chrono::milliseconds absence_max, const GivenUp& given_up) {
  const auto deadline = std::chrono::steady_clock::now() + absence_max;
  Error why;
  for (;;) {
    std::optional<wire::FsAnswer> answer = TRY(ask_once(path, call, given_up, why));
    if (answer) return std::move(*answer);
    if (std::chrono::steady_clock::now() >= deadline) return away(std::move(why));
    if (given_up && given_up()) return Error{Code::kCancelled, "given up without devrun-fs", {}};
    std::this_thread::sleep_for(kPause);
  }
}

// What this call is answered with, if it is not refused.
template <typename Wanted>
Result<Wanted> ask_for(const std::string& path, const wire::FsCall& call,
                       std::chrono::milliseconds absence_max = {}, const GivenUp& given_up = {}) {
  wire::FsAnswer answer = TRY(ask(path, call, absence_max, given_up));
  if (auto* wanted = std::get_if<Wanted>(&answer)) return std::move(*wanted);
  return Error{Code::kInternal, "devrun-fs answered something else", {}};
}

Error no_snapshot() {
  return Error{Code::kInvalid, "a live tree is no snapshot", {}};
}

}  // namespace

Result<wire::FsTreePath> fs_prepare(const std::string& control_socket, const Root& root,
                                    std::chrono::milliseconds absence_max, const wire::FsRun& run,
                                    const GivenUp& given_up) {
  if (root.live) return no_snapshot();
  return ask_for<wire::FsTreePath>(
      control_socket, wire::FsPrepareTree{root.tree, root.change_sets, run}, absence_max, given_up);
}

Result<std::string> fs_end_run(const std::string& control_socket, const std::string& run_id) {
  return TRY(ask_for<wire::FsTrace>(control_socket, wire::FsEndRun{run_id})).bytes;
}

Result<wire::FsTreePath> fs_prepare_watched(const std::string& control_socket, const Root& root,
                                            const std::string& watch, const GivenUp& given_up) {
  if (root.live) return no_snapshot();
  return ask_for<wire::FsTreePath>(control_socket,
                                   wire::FsPrepareTree{root.tree, root.change_sets, {}, watch},
                                   kFsAbsenceMax, given_up);
}

Result<std::string> fs_watched(const std::string& control_socket, const std::string& watch) {
  return TRY(ask_for<wire::FsTrace>(control_socket, wire::FsWatched{watch})).bytes;
}

Result<std::map<std::string, uint64_t>> fs_statistics(const std::string& control_socket) {
  return ask_for<wire::FsCounted>(control_socket, wire::FsCount{});
}

}  // namespace devrun
