// What the daemons say to their log (stderr, which `devrun up` and systemd send to a file). One
// line each, with a time, a level and the program's name. The CLI does not log; it speaks
// (cli/output).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace devrun::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Once, from main. Level from the DEVRUN_LOG variable is main's business.
void start(std::string_view program, Level level);
void write(Level level, std::string_view line);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace devrun::log
