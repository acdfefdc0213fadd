// `devrun nodes add`, `join` and `revoke`: how a machine becomes a node, and ceases to be one.
#pragma once

#include "cli/commands/command.h"

namespace devrun::cli {

// Of all words, the verb first.
Result<Action> parse_nodes_add(const Arguments& arguments);
Result<Action> parse_nodes_join(const Arguments& arguments);
Result<Action> parse_nodes_revoke(const Arguments& arguments);

}  // namespace devrun::cli
