// What leads to a volume's dev container, for all that open sessions in it: `devrun shell`, and ssh.
#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "cli/client/controller.h"
#include "common/model/job.h"

namespace devrun::cli {

// Of a dev container that is being ended.
inline constexpr auto kContainerEndPatience = std::chrono::seconds(20);
inline constexpr auto kContainerLookEvery = std::chrono::milliseconds(50);

// The submission that starts the volume's dev container, or finds the one that lives.
Result<Submission> container_of(const std::string& volume);

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
