// Who calls, and what they may. The certificate of the connection says role and name. A node may also forward the call
// of a program in one of its containers: the metadata `devrun-forwarded-*` name the volume, job and ids that the socket
// told it, and are believed only while that node has a live attempt of that job and volume; the caller is then the
// owner of that job.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/pki.h"
#include "controller/core/state.h"

namespace devrun::controller {

struct Forwarded {
  std::string volume;
  JobId job = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // supplementary
  // Nobody becomes another user of the volume, or a member of more groups, than the socket saw:
  // kDenied, beginning "user 1000:1000 cannot <doing> as …". Root of the volume is anybody.
  Status check_ids(const Caller& claimed, std::string_view doing) const;
};

// What the connection and the metadata say; nothing is checked against the state yet.
struct Peer {
  Certified certified;
  std::optional<Forwarded> forwarded;
};

// A caller of the client service.
struct Who {
  bool admin = false;
  std::string user;
  std::optional<Forwarded> from;  // the container that they call from
  // Seeing a job is acting on it (logs, stdin, cancel). A volume's root is its owner; another uid of it is only itself.
  bool may_see(const Job& job) const {
    return may_see(job.spec.user, job.spec.root.volume, job.spec.program.caller.uid);
  }
  // A job of that owner, volume and uid.
  bool may_see(const std::string& owner, const std::string& volume, uint32_t uid) const {
    if (admin) return true;
    if (owner != user) return false;
    if (!from || from->uid == 0) return true;
    return volume == from->volume && uid == from->uid;
  }
};

// Finds out who calls, and refuses if that kind of caller may not make this call (the table is in identity.cc).
Result<Peer> identify(const grpc::CallbackServerContext& context, std::string_view call);

// kDenied if the node has no such attempt.
Result<Who> resolve(const State& state, const Peer& peer);

}  // namespace devrun::controller
