// Certificates of a cluster: one CA, and certificates whose URI name says role and name,
// `devrun:node:node1`, `devrun:user:ada`, `devrun:admin:root`. Keys are ECDSA P-256. Nothing here
// listens or connects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun {

enum class Role { kNode, kUser, kAdmin, kController, kReader };
std::string_view role_name(Role role);  // "node" … "read-only"
std::optional<Role> role_named(std::string_view name);

struct Pem {
  std::string certificate;
  std::string key;
};

struct Certified {
  Role role = Role::kUser;
  std::string name;
};

Result<Pem> make_authority(const std::string& common_name, int days);
// `hosts`: DNS names and addresses, for the controller's certificate.
Result<Pem> issue_certificate(const Pem& authority, const Certified& who,
                              const std::vector<std::string>& hosts, int days);

// The URI name of a certificate, and back.
std::string certificate_uri(const Certified& who);
std::optional<Certified> parse_certificate_uri(std::string_view uri);

}  // namespace devrun
