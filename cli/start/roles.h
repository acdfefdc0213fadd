// The daemons of a cluster of several machines, as services start them: each is one role of devrun-start, which reads the
// configuration file, makes what the daemon needs, and becomes the daemon.
//
// On the controller's machine (controller.yaml): `nfs`, `controller`, and for dev containers `storage-keeper` and `storage`.
// On a node (agent.yaml): `keeper`, which pins the namespace in which jobs live; `files`, which has the keeper run
// devrun-fs and ends; `agent`. `clear` and `storage-clear` come before a keeper and after it. `node` is all of a node in one
// (whole_node.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::start {

// What the process becomes; without words there is nothing more to do.
struct Program {
  std::vector<std::string> words;
  std::vector<std::string> environment = {};  // besides ours, NAME=VALUE
};

struct Role {
  std::string_view name;
  std::string_view purpose;
  std::string_view config;  // its file, if none is named
  Result<Program> (*prepare)(const std::string& config);
};
std::span<const Role> roles();

// Of the file's kind by the role that reads it; kInvalid with all that is wrong.
Status check_config(const Role& role, const std::string& file);

}  // namespace devrun::start
