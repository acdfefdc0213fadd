// Which attempts are meant by somebody who names a job, a task, a rank or an attempt; and rounds of
// bringing home that somebody waits for.
#pragma once

#include <string>
#include <vector>

#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "devrun/v1/client.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

struct MeantAttempt {
  AttemptKey key;
  std::string node;
  bool runs = false;        // more may be written
  bool is_newest = false;   // of its task
  bool has_failed = false;  // its node could not store all that it wrote
  Digest root = {};         // the tree that it began with
};
struct Meant {
  JobId job = 0;
  std::string volume;
  Digest root;                         // of the job
  std::vector<MeantAttempt> attempts;  // by task, rank and attempt
};

// kNotFound if there is no such job, task or rank, or the caller may not see it; kInvalid for a dev
// container, which has no change set. Core's thread.
Result<Meant> find_meant(const State& state, const Who& who, const pb::ChangesOf& of);

// The same from a worker, which waits for the core.
Result<Meant> find_meant(CoreLoop& core, const Who& who, const pb::ChangesOf& of);

// Asks the nodes of these for what they have written until now, and waits (a worker's thread) until
// all of it is in the store, or at most so long. `whole`: of ended ones, until nothing is missing.
// kUnavailable: a node is not there, or does not send it; else why a round failed that its node does
// not soon make again.
struct RoundWish {
  std::vector<MeantAttempt> attempts;
  Duration at_most;
  bool whole = false;
};
Status await_rounds(const Parts& parts, const RoundWish& wish);

}  // namespace devrun::controller
