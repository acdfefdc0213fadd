// `devrun nodes`: who is there, who comes, and who never comes back.
#include <fmt/format.h>

#include <array>

#include "cli/commands/connect.h"
#include "cli/commands/nodes_join.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "common/base/suggest.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "json",
     .meaning = "ls, show: one JSON record: {\"nodes\": […]}; show: with all counters of its "
                "cache, in `files`",
     .example = "--json"},
    {.name = "valid",
     .value = "SPAN",
     .meaning = "add: how long the line is good, 1m to 7d",
     .fallback = "1h",
     .example = "--valid 1d"},
    {.name = "address",
     .value = "A",
     .meaning = "join: where the other nodes reach this one",
     .fallback = "the address that reaches the controller",
     .example = "--address 10.0.0.17"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun nodes", "all nodes, what they have and what of it is used"},
    {"devrun nodes show node1",
     "one in full: its GPUs and which job has which, what its cache holds, whether the store "
     "answers"},
    {"devrun nodes drain node2 'new disk on Monday'",
     "nothing new is placed there; what runs goes on"},
    {"devrun nodes lost node3",
     "node3 will not come back as it was: what ran there is over, as NODE_LOST"},
    {"devrun nodes add node7", "prints the one line that makes a machine node7"},
    {"devrun nodes revoke node7",
     "node7 is refused at once, whatever certificate it has; so is a line that was printed for "
     "it"}};

constexpr std::array<std::string_view, 8> kVerbs{"ls",   "show", "drain", "undrain",
                                                 "lost", "add",  "join",  "revoke"};

Result<int> list(bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const auto nodes = TRY(controller->list_nodes());
  TRY(context.console.data(json ? nodes_json(nodes) : nodes_text(nodes, wall_clock())));
  return 0;
}

Result<int> show(const std::string& name, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const NodeRecord node = TRY(controller->show_node(name));
  TRY(context.console.data(json ? nodes_json({node}) : node_text(node, wall_clock())));
  return 0;
}

Result<int> declare_lost(const std::string& name, Context& context) {
  const auto controller = TRY(controller_of(context));
  const auto attempts = TRY(controller->declare_node_lost(name));
  std::string text = fmt::format("node {} is declared lost", name);
  if (!attempts.empty()) text += "; over by that:";
  for (const AttemptKey& key : attempts) text += " " + to_string(key);
  context.console.say(text);
  return 0;
}

Result<int> drain(const std::string& name, const std::string& reason, Context& context) {
  const auto controller = TRY(controller_of(context));
  const NodeRecord node = TRY(controller->drain_node(name, !reason.empty(), reason));
  if (reason.empty()) {
    context.console.say(fmt::format("node {} is in use again", name));
  } else if (node.attempts == 0) {
    context.console.say(fmt::format("node {} is drained, and nothing runs there", name));
  } else {
    context.console.say(fmt::format("node {} is drained; {} attempt{} still there", name,
                                    node.attempts, node.attempts == 1 ? " is" : "s are"),
                        "devrun nodes show " + name);
  }
  return 0;
}

// drain NAME REASON…, undrain NAME
Result<Action> parse_drain(const std::string& verb, const std::vector<std::string>& words) {
  const bool drains = verb == "drain";
  if (words.size() < 2 || words[1].empty() || (!drains && words.size() > 2)) {
    return Error{
        Code::kInvalid,
        drains ? "drain: expected a node's name, and why" : "undrain: expected one node's name",
        drains ? "devrun nodes drain NAME 'new disk'" : "devrun nodes undrain NAME"};
  }
  std::string reason;
  for (size_t i = 2; i < words.size(); ++i) reason += (reason.empty() ? "" : " ") + words[i];
  if (drains && reason.empty()) {
    return Error{Code::kInvalid, "drain: whoever waits will want to know why",
                 fmt::format("devrun nodes drain {} 'new disk'", words[1])};
  }
  return Action(
      [name = words[1], reason](Context& context) { return drain(name, reason, context); });
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes)
    return Error{Code::kInvalid,
                 "expected ls, show, drain, undrain, lost, add, join or revoke, not `--`",
                 {}};
  const std::string verb = arguments.words.empty() ? "ls" : arguments.words[0];
  const bool json = arguments.has("json");
  if (verb == "ls" && arguments.words.size() <= 1)
    return Action([=](Context& context) { return list(json, context); });
  if (verb == "ls") return Error{Code::kInvalid, "ls takes no name", {}};
  if (verb == "show") {
    if (arguments.words.size() != 2)
      return Error{Code::kInvalid, "show: expected one node's name", {}};
    return Action(
        [json, name = arguments.words[1]](Context& context) { return show(name, json, context); });
  }
  if (verb == "drain" || verb == "undrain") return parse_drain(verb, arguments.words);
  if (verb == "lost") {
    if (arguments.words.size() != 2)
      return Error{Code::kInvalid, "lost: expected one node's name", {}};
    const std::string name = arguments.words[1];
    return Action([=](Context& context) { return declare_lost(name, context); });
  }
  if (verb == "add") return parse_nodes_add(arguments);
  if (verb == "join") return parse_nodes_join(arguments);
  if (verb == "revoke") return parse_nodes_revoke(arguments);
  const auto nearest = nearest_word(verb, kVerbs);
  return Error{Code::kInvalid,
               fmt::format("'{}' is not ls, show, drain, undrain, lost, add, join or revoke{}",
                           verb, nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
               {}};
}

}  // namespace

Command nodes_command() {
  return {{.name = "nodes",
           .usage = {"nodes [ls] [--json]", "nodes show [--json] NAME", "nodes drain NAME REASON…",
                     "nodes undrain NAME", "nodes lost NAME", "nodes add [--valid SPAN] NAME",
                     "nodes join [--address A] HOST:PORT TOKEN", "nodes revoke NAME"},
           .purpose = "the nodes: what they have, new ones, taking one out of use",
           .text = {},
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
