// What leads to a volume's dev container, for all that open sessions in it: `devrun shell`, and ssh.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "cli/client/controller.h"
#include "common/model/job.h"

namespace devrun::cli {

// Of a dev container that is being ended.
inline constexpr auto kContainerEndPatience = std::chrono::seconds(20);
inline constexpr auto kContainerLookEvery = std::chrono::milliseconds(50);

// What a dev container that is to begin gets, and where: on the storage host, unless it asks for a node.
struct ContainerWish {
  Resources resources = {};  // 0: what the operator's policy says
  std::string pool = {};
  std::map<std::string, std::string> node_labels = {};
  bool on_node = false;
  bool says_something() const;
};

// The submission that starts the volume's dev container, or finds the one that lives, whatever is wished for then.
Result<Submission> container_of(const std::string& volume, const ContainerWish& wish = {});
// What of the wish the dev container that lives does not have, in words; empty: it has all.
std::string missing_of(const ContainerWish& wish, const JobRecord& living);

// Who we are there. Admins are root, as on a machine of their own; others are who they are here.
Result<Caller> caller_for(Controller& controller);

// NAME=VALUE, as a login gives it, not the caller's: the dev container is a machine of its own.
std::vector<std::string> login_settings(const Caller& caller, const Surroundings& here);

// One that is being ended, or ends while we come, is waited for: then we start the next.
template <typename Try>
auto with_patience(Try attempt) -> decltype(attempt()) {
  const auto give_up = std::chrono::steady_clock::now() + kContainerEndPatience;
  for (;;) {
    auto out = attempt();
    const bool again =
        !out && out.error().code == Code::kConflict && std::chrono::steady_clock::now() < give_up;
    if (!again) return out;
    std::this_thread::sleep_for(kContainerLookEvery);
  }
}

}  // namespace devrun::cli
