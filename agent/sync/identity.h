// Whom the controller should take a forwarded call for: the volume, owner and job of the container that it came from,
// and the ids of the process in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace devrun::agent {

struct ContainerIdentity {
  std::string volume;
  std::string user;  // the owner, as the controller named them
  uint64_t job = 0;
  bool operator==(const ContainerIdentity&) const = default;
};

struct CallerIdentity {
  ContainerIdentity container;
  uid_t uid = 0;  // as the volume sees them: containers have no user namespace of their own
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
};

}  // namespace devrun::agent
