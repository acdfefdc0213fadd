#include "agent/sandbox/seccomp.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/sandbox/config.h"

namespace devrun::sandbox {

namespace {

using nlohmann::json;

constexpr const char* kArchitecture = "SCMP_ARCH_X86_64";
constexpr const char* kGoArchitecture = "amd64";

json list_of(const json& rule, const char* condition, const char* what) {
  const auto found = rule.find(condition);
  if (found == rule.end() || !found->is_object()) return json::array();
  return found->value(what, json::array());
}

bool has_capability(const json& name) {
  return std::find(kCapabilities.begin(), kCapabilities.end(), name.get<std::string>()) !=
         kCapabilities.end();
}

bool contains(const json& list, const char* text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool applies(const json& rule) {
  const json with_arch = list_of(rule, "includes", "arches");
  const json with_caps = list_of(rule, "includes", "caps");
  const json without_caps = list_of(rule, "excludes", "caps");
  return (with_arch.empty() || contains(with_arch, kGoArchitecture)) &&
         !contains(list_of(rule, "excludes", "arches"), kGoArchitecture) &&
         std::all_of(with_caps.begin(), with_caps.end(), has_capability) &&
         std::none_of(without_caps.begin(), without_caps.end(), has_capability);
}

json convert(const json& in) {
  json out = {{"defaultAction", in.at("defaultAction")}, {"architectures", {kArchitecture}}};
  if (in.contains("defaultErrnoRet")) out["defaultErrnoRet"] = in["defaultErrnoRet"];
  for (const json& arch : in.at("archMap")) {
    if (arch.at("architecture") != kArchitecture) continue;
    for (const json& sub : arch.at("subArchitectures")) out["architectures"].push_back(sub);
  }
  json& rules = out["syscalls"] = json::array();
  for (const json& rule : in.at("syscalls")) {
    if (!applies(rule)) continue;
    json kept = {{"names", rule.at("names")}, {"action", rule.at("action")}};
    if (rule.contains("args") && rule["args"].is_array() && !rule["args"].empty()) {
      kept["args"] = rule["args"];
    }
    if (rule.contains("errnoRet")) kept["errnoRet"] = rule["errnoRet"];
    rules.push_back(std::move(kept));
  }
  return out;
}

}  // namespace

Result<std::string> convert_seccomp(std::string_view profile) {
  try {
    return convert(json::parse(profile)).dump();
  } catch (const json::exception& e) {  // the library's only way to say so
    return Error{Code::kCorrupt, std::string("the seccomp profile cannot be used: ") + e.what(),
                 "apt-get install --reinstall golang-github-containers-common"};
  }
}

}  // namespace devrun::sandbox
