// Waiting for conditions: a state under a mutex, whose changes are announced.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace devrun::agent {

inline constexpr auto kTestPatience = std::chrono::seconds(20);

// For states that announce nothing.
template <typename Condition>
bool wait_for(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + kTestPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace devrun::agent
