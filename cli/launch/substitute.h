// `${VAR}` and `$VAR` in those fields that SkyPilot expands before the task starts (workdir, mounts,
// service, volumes); scripts are left to the shell. What has no value stays as it is written.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace devrun::launch {

struct Substituted {
  std::string value;
  std::string shown;  // values of secrets stay `${NAME}`
};

struct VariableValue {
  std::string value;
  bool secret = false;
};
using VariableLookup = std::function<std::optional<VariableValue>(std::string_view name)>;

Substituted substitute(std::string_view text, const VariableLookup& lookup);

}  // namespace devrun::launch
