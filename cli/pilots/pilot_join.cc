#include "cli/pilots/pilot_join.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "cli/client/enrolment.h"
#include "cli/client/own_address.h"
#include "cli/cluster/say.h"
#include "cli/start/plans.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/file.h"
#include "common/runtime/join_token.h"

namespace devrun::pilots {

namespace {

Status join_here(const PilotOrder& order, const Secret& secret, const std::string& state) {
  const JoinToken token = TRY(parse_join_token(secret.token));
  const Request request = TRY(make_request());
  const cli::Joined joined = TRY(cli::join(secret.endpoint, token, request.request));
  if (joined.name != order.name) {
    return Error{Code::kConflict,
                 fmt::format("the token is for {}, and this is {}", joined.name, order.name),
                 {}};
  }
  const std::string address = cli::own_address_towards(joined.peer);
  if (address.empty()) {
    return Error{
        Code::kInvalid, "it cannot be told at which IPv4 address other nodes reach this one", {}};
  }
  const std::string text =
      TRY(pilot_config(order, {joined.controller, address, joined.settings}, state));
  TRY(make_folders(std::filesystem::path(start::authority_file(state)).parent_path().string(),
                   0700));
  TRY(write_file_atomically(config_file(state), text, 0600));
  TRY(write_file_atomically(start::authority_file(state), joined.authority));
  return write_file_atomically(start::identity_file(state, order.name),
                               request.key + joined.certificate, 0600);
}

}  // namespace

std::string config_file(const std::string& state) {
  return state + "/agent.yaml";
}

Status join_in_child(const PilotOrder& order, const Secret& secret, const std::string& state) {
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid == 0) {
    const Status done = join_here(order, secret, state);
    if (!done) cluster::say_error(done.error());
    ::_exit(done ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return ok();
  return Error{Code::kUnavailable, fmt::format("{} could not join its cluster", order.name),
               "what it said before"};
}

}  // namespace devrun::pilots
