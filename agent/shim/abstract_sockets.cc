#include "agent/shim/abstract_sockets.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace devrun::shim {

namespace {

// Of linux/landlock.h, newer than the oldest kernel headers that this is built with.
struct RulesetAttributes {
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;
  uint64_t scoped = 0;
};
constexpr uint64_t kScopeAbstractUnixSocket = 1;

}  // namespace

void shut_out_abstract_sockets() {
  RulesetAttributes attributes;
  attributes.scoped = kScopeAbstractUnixSocket;
  const long ruleset = ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return;
  ::syscall(SYS_landlock_restrict_self, ruleset, 0);
  ::close(static_cast<int>(ruleset));
}

}  // namespace devrun::shim
