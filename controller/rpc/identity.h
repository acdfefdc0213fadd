// Who calls, and what they may. The certificate of the connection says role and name. A node may also forward the call
// of a program in one of its containers: the metadata `devrun-forwarded-*` name the volume, job and ids that the socket
// told it, and are believed only while that node has a live attempt of that job and volume; the caller is then the
// owner of that job. Which kinds of callers may make a call, and what they must be to what it names, stands in
// controller/access/rights.cc alone.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/pki.h"
#include "controller/access/rights.h"
#include "controller/core/state.h"
#include "controller/rpc/gate.h"

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
  const Right* right = nullptr;  // to the call that it makes
  std::optional<Time> issued;    // its certificate
  const Gate* gate = nullptr;
  std::shared_ptr<CallerName> name;  // null, or where `resolve` says who it is
};

// A caller of the client service.
struct Who {
  bool admin = false;
  std::string user;
  std::optional<Forwarded> from = {};  // the container that they call from
  std::set<std::string> groups = {};   // that they are in
  bool reader = false;                 // sees whatever an administrator sees, and no more
  const Right* right = nullptr;        // to the call that they make

  bool sees_all() const { return admin || reader; }
  // A volume's root is its owner; another uid of it is only itself.
  Level level_on(const Job& job) const {
    return level_on(job.spec.user, job.spec.root.volume, job.spec.program.caller.uid);
  }
  // A job of that owner, volume and uid.
  Level level_on(const std::string& owner, const std::string& volume, uint32_t uid) const;
  bool may_see(const Job& job) const { return level_on(job) >= Level::kSee; }
  // The table's word for the call that is made.
  bool may_call_about(const Job& job) const { return level_on(job) >= right->job; }
};

// Finds out who calls, and refuses if that kind of caller may not make this call, or their certificate counts no more.
// `gate` outlives the peer.
Result<Peer> identify(const Gate& gate, const grpc::CallbackServerContext& context,
                      std::string_view call);

// Once more, of a call that has waited since it was resolved to that user: kDenied if the certificate counts no more, or
// the user does not or may not make this call any more. Any thread.
Status still_counts(const Peer& peer, const std::string& user);

// kDenied if the certificate counts no more, the node has no such attempt, or the job's owner is no user any more or may
// not make this call.
Result<Who> resolve(const State& state, const Peer& peer);

}  // namespace devrun::controller
