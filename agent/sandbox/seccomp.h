// The seccomp filter of containers, compiled once per agent from the profile that Debian ships for containers
// (/usr/share/containers/seccomp.json, golang-github-containers-common: rules that depend on architecture and
// capabilities), for this architecture and the capabilities that containers get here. crun gets the program itself: it
// would compile the rules anew for each container, which takes 20 ms and more.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::sandbox {

inline constexpr const char* kSeccompProfile = "/usr/share/containers/seccomp.json";

// The filter as crun's annotation run.oci.seccomp_bpf_data takes it: BPF in base64.
Result<std::string> compile_seccomp(std::string_view profile);

}  // namespace devrun::sandbox
