// How the cluster commands speak: to stderr, each line with `devrun: ` in front, errors ending with
// what to try next.
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>

#include "common/base/result.h"

namespace devrun::cluster {

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  const std::string line = fmt::format(format, std::forward<Args>(args)...);
  fmt::print(stderr, "devrun: {}\n", line);
}

inline int say_error(const Error& error) {
  fmt::print(stderr, "devrun: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "devrun: Try: {}\n", error.hint);
  return 125;
}

}  // namespace devrun::cluster
