// `devrun nodes`: who is there, and who never comes back.
#include <fmt/format.h>

#include <array>

#include "cli/commands/connect.h"
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
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun nodes", "all nodes, what they have and what of it is used"},
    {"devrun nodes show node1",
     "one in full: its GPUs and which job has which, what its cache holds, whether the store "
     "answers"},
    {"devrun nodes lost node3",
     "node3 will not come back as it was: what ran there is over, as NODE_LOST"}};

constexpr std::array<std::string_view, 3> kVerbs{"ls", "show", "lost"};
constexpr std::array<std::string_view, 3> kLaterVerbs{"drain", "undrain", "add"};

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

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes) return Error{Code::kInvalid, "expected ls, show or lost, not `--`", {}};
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
  if (verb == "lost") {
    if (arguments.words.size() != 2)
      return Error{Code::kInvalid, "lost: expected one node's name", {}};
    const std::string name = arguments.words[1];
    return Action([=](Context& context) { return declare_lost(name, context); });
  }
  if (std::ranges::find(kLaterVerbs, verb) != kLaterVerbs.end()) {
    return Error{
        Code::kUnsupported, fmt::format("`devrun nodes {}` is not in this version yet", verb), {}};
  }
  const auto nearest = nearest_word(verb, kVerbs);
  return Error{Code::kInvalid,
               fmt::format("'{}' is not ls, show or lost{}", verb,
                           nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
               {}};
}

}  // namespace

Command nodes_command() {
  return {{.name = "nodes",
           .usage = {"nodes [ls] [--json]", "nodes show [--json] NAME", "nodes lost NAME"},
           .purpose = "the nodes: what they have, how their caches do, and declaring one lost",
           .text = {},
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
