#include "cli/commands/nodes_join.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/client/enrolment.h"
#include "cli/client/own_address.h"
#include "cli/commands/connect.h"
#include "cli/commands/own_target.h"
#include "cli/start/plans.h"
#include "common/base/units.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

namespace fs = std::filesystem;

constexpr Duration kValid = seconds(3600);

Result<int> add(const std::string& name, Duration valid, Context& context) {
  const Target target = TRY(target_of(context));
  const Invitation invitation = TRY(invite_node(target, name, valid));
  TRY(context.console.data(
      fmt::format("devrun nodes join {} {}\n", invitation.join, invitation.token)));
  context.console.say(
      fmt::format(
          "that line makes one machine {}, as root, within {}; who has it before gets in, so "
          "keep it to yourself",
          name, format_duration(valid)),
      fmt::format("to call it back: devrun nodes revoke {}", name));
  return 0;
}

// NFS servers know no certificates.
void say_of_store(const Revocation& revoked, Context& context) {
  if (revoked.address.empty()) return;
  if (revoked.store_refuses) {
    return context.console.say(fmt::format(
        "the store's NFS server answers {} no more, until a node of the cluster is there again. "
        "Who can take another address of 'networks' in /etc/devrun/controller.yaml still reads",
        revoked.address));
  }
  context.console.say(
      fmt::format("{} still reads every file in the store, if the NFS server answers it",
                  revoked.address),
      fmt::format("on the machine of that server: take {} out of /etc/exports, then exportfs -ra, "
                  "or what that is called there; and it out of the network",
                  revoked.address));
}

Result<int> revoke(const std::string& name, Context& context) {
  const Target target = TRY(target_of(context));
  const Revocation revoked = TRY(revoke_node(target, name));
  if (revoked.had_certificate) {
    context.console.say(
        fmt::format("{} is refused from now on{}. What runs there is not over by that", name,
                    revoked.had_token ? ", and so is the token that was out for it" : ""),
        fmt::format("devrun nodes lost {}, which ends its jobs here", name));
    say_of_store(revoked, context);
  } else {
    context.console.say(
        fmt::format("the token for {} is void{}", name,
                    revoked.had_token ? "" : " (it had been used, or its time was over)"));
  }
  return 0;
}

// ── join ──

struct Join {
  std::string endpoint;
  JoinToken token;
  std::string address;  // empty: found out
  std::string config = start::kNodeConfigFile;
};

// A machine that has joined before as somebody else is no new one.
Status check_machine(const Join& wish, std::string& state) {
  if (::geteuid() != 0) {
    return Error{Code::kDenied, "a node is made by root", "sudo, and the whole line once more"};
  }
  std::error_code failed;
  if (!fs::exists(wish.config, failed)) return ok();
  const start::NodeConfig config = TRY(start::read_node_config(wish.config));
  state = config.state;
  return ok();
}

// The key that the request was made for. Kept until the answer has come, so that the line can be pasted again if it has not:
// the token is good for this one alone.
Result<Request> request_of(const std::string& file) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE REQUEST-----";
  if (const Result<std::string> kept = read_file(file)) {
    const size_t at = kept->find(kBegin);
    if (at != std::string::npos) return Request{kept->substr(0, at), kept->substr(at)};
  }
  Request made = TRY(make_request());
  TRY(write_file_durably(file, made.key + made.request, 0600));
  return made;
}

Status write_config(const Join& wish, const Joined& joined, const std::string& address) {
  TRY(make_folders(fs::path(wish.config).parent_path().string(), 0755));
  const std::string text = fmt::format(
      "# Of this node; written by `devrun nodes join`. docs/install.md has each key.\n"
      "# After a change: devrun-start agent --check-config, then systemctl restart devrun-agent\n"
      "name: {}\naddress: {}\ncontroller: {}\n{}",
      joined.name, address, joined.controller, joined.settings);
  TRY(start::parse_node_config(text, wish.config));
  return write_file_durably(wish.config, text, 0644);
}

// A configuration that is there is the administrator's, and stays; it must be about this node.
Status settle_config(const Join& wish, const Joined& joined) {
  std::error_code failed;
  if (fs::exists(wish.config, failed)) {
    const start::NodeConfig config = TRY(start::read_node_config(wish.config));
    if (config.name == joined.name) return ok();
    return Error{Code::kConflict,
                 fmt::format("{} says that this machine is {}, and the token is for {}",
                             wish.config, config.name, joined.name),
                 fmt::format("mv {} {}.old, then the line once more", wish.config, wish.config)};
  }
  const std::string address =
      wish.address.empty() ? own_address_towards(joined.peer) : wish.address;
  if (address.empty()) {
    return Error{Code::kInvalid, "it cannot be told at which address other nodes reach this one",
                 "the line once more, with --address ADDRESS"};
  }
  return write_config(wish, joined, address);
}

Result<int> join_cluster(const Join& wish, Context& context) {
  std::string state = start::kStateFolder;
  TRY(check_machine(wish, state));
  // Its authority would be written over.
  std::error_code unknown;
  const fs::path of_cluster = fs::path(start::authority_file(state)).replace_extension(".key");
  if (fs::exists(of_cluster, unknown)) {
    return Error{
        Code::kConflict, fmt::format("{} has a cluster of its own", state),
        "devrun down and remove it, or `state:` in " + wish.config + " names another folder"};
  }
  const std::string pki = fs::path(start::authority_file(state)).parent_path().string();
  TRY(make_folders(pki, 0700));
  const std::string pending = pki + "/joining.pem";
  const Request request = TRY(request_of(pending));
  const Result<Joined> answer = join(wish.endpoint, wish.token, request.request);
  std::error_code failed;
  if (!answer) {
    // No answer will come for this key any more.
    if (answer.error().code == Code::kDenied) fs::remove(pending, failed);
    return answer.error();
  }
  const Joined& joined = *answer;
  TRY(settle_config(wish, joined));
  TRY(write_file_durably(start::authority_file(state), joined.authority));
  TRY(write_file_durably(start::identity_file(state, joined.name), request.key + joined.certificate,
                         0600));
  fs::remove(pending, failed);
  context.console.say(fmt::format("this machine is {} of the cluster at {}; {} says how",
                                  joined.name, joined.controller, wish.config),
                      "systemctl enable --now devrun-agent");
  return 0;
}

Status only_on_a_host(const Context& context) {
  if (!context.surroundings.is_in_container()) return ok();
  return Error{Code::kDenied, "this is a dev container or a job, and no machine of its own",
               "the line on the machine that shall be a node"};
}

}  // namespace

Result<Action> parse_nodes_add(const Arguments& arguments) {
  if (arguments.words.size() != 2 || arguments.words[1].empty()) {
    return Error{Code::kInvalid, "add: expected a name for one new node", "devrun nodes add node7"};
  }
  Duration valid = kValid;
  if (const auto text = arguments.value("valid")) {
    const Result<Duration> parsed = parse_duration(*text);
    if (!parsed) return Error(parsed.error()).context("--valid");
    valid = *parsed;
  }
  return Action(
      [name = arguments.words[1], valid](Context& context) { return add(name, valid, context); });
}

Result<Action> parse_nodes_revoke(const Arguments& arguments) {
  if (arguments.words.size() != 2 || arguments.words[1].empty()) {
    return Error{Code::kInvalid, "revoke: expected one node's name", "devrun nodes revoke node7"};
  }
  return Action([name = arguments.words[1]](Context& context) { return revoke(name, context); });
}

Result<Action> parse_nodes_join(const Arguments& arguments) {
  if (arguments.words.size() != 3) {
    return Error{Code::kInvalid, "join: expected HOST:PORT and a token",
                 "devrun nodes add NAME on the controller's machine, which prints the whole line"};
  }
  Join wish;
  wish.endpoint = arguments.words[1];
  TRY(grpc_address(wish.endpoint));
  wish.token = TRY(parse_join_token(arguments.words[2]));
  if (const auto address = arguments.value("address")) wish.address = *address;
  return Action([wish](Context& context) -> Result<int> {
    TRY(only_on_a_host(context));
    return join_cluster(wish, context);
  });
}

}  // namespace devrun::cli
