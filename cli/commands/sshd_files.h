// What an sshd of the volume is told for one connection, and what decides whether it can serve it: from the text of the
// container's files, and pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace devrun::cli {

// How a session in the container is told what to do, by variables that go no further.
inline constexpr const char* kSshVariables = "DEVRUN_SSH_";
inline constexpr const char* kSshHostVariable = "DEVRUN_SSH_HOST";  // as the caller named it
inline constexpr const char* kSshUserVariable =
    "DEVRUN_SSH_USER";  // who is asked for; may be unset
// Of this connection alone (ssh_keys.h): the private key, and the certificate that ssh knows it by.
inline constexpr const char* kSshHostKeyVariable = "DEVRUN_SSH_HOST_KEY";
inline constexpr const char* kSshHostCertificateVariable = "DEVRUN_SSH_HOST_CERTIFICATE";
inline constexpr const char* kSshUserKeyVariable = "DEVRUN_SSH_USER_KEY";  // the public key

// The configuration, with its keys in `folder`: whoever has the user's key, and the session's `environment` for all that
// is run. sshd cannot be told values with line ends, double quotes or backslashes: those are left out, and so is what
// sshd sets itself.
std::string sshd_config(const std::string& folder, const std::vector<std::string>& environment);

// The user's groups by the text of a group file.
std::vector<uint32_t> groups_of(std::string_view group_file, std::string_view user, uint32_t gid);

// Whether sshd takes the account for locked: a password beginning with '!' in the text of a shadow file.
bool is_locked(std::string_view shadow, std::string_view user);

// How sshd is installed where `is_there(program)`: the words of a command, or nothing.
template <typename IsThere>
std::string sshd_install_words(IsThere is_there) {
  if (is_there("apt-get")) return "sh -c 'apt-get update && apt-get install -y openssh-server'";
  if (is_there("dnf")) return "dnf install -y openssh-server";
  if (is_there("apk")) return "apk add openssh-server";
  if (is_there("zypper")) return "zypper install -y openssh-server";
  if (is_there("pacman")) return "pacman -Sy --noconfirm openssh";
  return {};
}

}  // namespace devrun::cli
