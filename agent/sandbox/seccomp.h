// The seccomp profile of containers, from the format in which Debian ships it (/usr/share/containers/seccomp.json,
// golang-github-containers-common: rules that depend on architecture and capabilities) to OCI's, for this architecture
// and the capabilities that containers get here.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::sandbox {

inline constexpr const char* kSeccompProfile = "/usr/share/containers/seccomp.json";

Result<std::string> convert_seccomp(std::string_view profile);

}  // namespace devrun::sandbox
