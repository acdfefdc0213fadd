// Names for counts and traces, taken from the types themselves, so that a new kind of event needs no edit here.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <variant>

#include "controller/core/event.h"

namespace devrun::sim {

// The last word of a type's name.
template <typename T>
std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;  // … [with T = devrun::controller::TaskPlaced; …
  text = text.substr(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind(':') + 1);
}

inline std::string_view event_name(const controller::Event& event) {
  return std::visit([](const auto& kind) { return type_name<std::decay_t<decltype(kind)>>(); },
                    event.kind);
}

// With what it is about, for the trace.
inline std::string event_text(const controller::Event& event) {
  std::string out(event_name(event));
  std::visit(
      [&out](const auto& e) {
        if constexpr (requires { e.task.job; }) out += " " + to_string(e.task);
        if constexpr (requires { e.attempt; }) out += fmt::format(" attempt {}", e.attempt);
        if constexpr (requires { e.nodes; }) out += fmt::format(" on {}", fmt::join(e.nodes, " "));
        if constexpr (requires { e.hello; }) out += " " + e.hello.name + " " + e.hello.boot_id;
        if constexpr (requires { e.node; }) out += " " + std::string(e.node);
        if constexpr (requires { e.state; }) out += " " + std::string(state_name(e.state));
        if constexpr (requires { e.observed; }) {
          out += fmt::format(" {} phase {}", folder_name(e.observed.key),
                             static_cast<int>(e.observed.phase));
        }
        if constexpr (requires { e.ending.status; })
          out += fmt::format(" status {}", e.ending.status);
      },
      event.kind);
  return out;
}

}  // namespace devrun::sim
