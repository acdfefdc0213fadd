#include "agent/sandbox/seccomp.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/sandbox/config.h"
#include "common/base/base64.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

using nlohmann::json;

constexpr const char* kArchitecture = "SCMP_ARCH_X86_64";
constexpr const char* kGoArchitecture = "amd64";
// The profile allows these because its users make user namespaces. Here ids are the node's, and with them its keyrings.
constexpr std::array<std::string_view, 3> kNeverAllowed = {"keyctl", "add_key", "request_key"};
constexpr size_t kFilterBytesMax = 256 << 10;  // the kernel takes 4096 instructions

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

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

Error unusable(const std::string& why) {
  return {Code::kCorrupt, "the seccomp profile cannot be used: " + why,
          "apt-get install --reinstall golang-github-containers-common"};
}

Result<uint32_t> action_of(const std::string& name, unsigned error) {
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return static_cast<uint32_t>(SCMP_ACT_ERRNO(error));
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  return unusable("unknown action " + name);
}

Result<scmp_compare> comparison_of(const std::string& name) {
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
  if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
  return unusable("unknown comparison " + name);
}

Status add_rule(void* filter, const json& rule) {
  const uint32_t action =
      TRY(action_of(rule.at("action").get<std::string>(), rule.value("errnoRet", unsigned{EPERM})));
  std::vector<scmp_arg_cmp> conditions;
  if (rule.contains("args") && rule["args"].is_array()) {
    for (const json& argument : rule["args"]) {
      conditions.push_back({argument.at("index").get<unsigned>(),
                            TRY(comparison_of(argument.at("op").get<std::string>())),
                            argument.at("value").get<uint64_t>(),
                            argument.value("valueTwo", uint64_t{0})});
    }
  }
  for (const json& name : rule.at("names")) {
    const auto& text = name.get_ref<const std::string&>();
    if (std::find(kNeverAllowed.begin(), kNeverAllowed.end(), text) != kNeverAllowed.end())
      continue;
    const int number = seccomp_syscall_resolve_name(text.c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than the library, or of another architecture
    const int done =
        seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(conditions.size()),
                               conditions.empty() ? nullptr : conditions.data());
    // EACCES: the same as the default.
    if (done < 0 && done != -EACCES) return unusable("its rule for " + name.get<std::string>());
  }
  return ok();
}

Result<Filter> build(const json& profile) {
  const uint32_t otherwise = TRY(action_of(profile.at("defaultAction").get<std::string>(),
                                           profile.value("defaultErrnoRet", unsigned{EPERM})));
  Filter filter(seccomp_init(otherwise));
  if (!filter) return unusable("its default action");
  // sudo has to work: crun puts the filter in place with privileges, not by no-new-privileges.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree, not a list
  for (const json& arch : profile.at("archMap")) {
    if (arch.at("architecture") != kArchitecture) continue;
    for (const json& sub : arch.at("subArchitectures")) {
      std::string name = sub.get<std::string>().substr(std::string_view("SCMP_ARCH_").size());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const uint32_t token = seccomp_arch_resolve_name(name.c_str());
      if (token == 0 || seccomp_arch_add(filter.get(), token) < 0) {
        return unusable("its architecture " + name);
      }
    }
  }
  for (const json& rule : profile.at("syscalls")) {
    if (applies(rule)) TRY(add_rule(filter.get(), rule));
  }
  return filter;
}

Result<std::string> program_of(const Filter& filter) {
  const UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return errno_error("memfd_create", errno);
  if (const int done = seccomp_export_bpf(filter.get(), file.get()); done < 0) {
    return errno_error("compile the seccomp filter", -done);
  }
  std::string out(kFilterBytesMax, '\0');
  const ssize_t n = ::pread(file.get(), out.data(), out.size(), 0);
  if (n <= 0) return errno_error("read the seccomp filter", errno);
  out.resize(static_cast<size_t>(n));
  return out;
}

}  // namespace

Result<std::string> compile_seccomp(std::string_view profile) {
  try {
    const Filter filter = TRY(build(json::parse(profile)));
    return base64(TRY(program_of(filter)));
  } catch (const json::exception& e) {  // the library's only way to say so
    return unusable(e.what());
  }
}

}  // namespace devrun::sandbox
