// What the shell does once the events of a step are durable. Effects name what has changed and
// carry no content: the shell reads it from the state (view.h, desired.h) when it performs them, so
// that one may be repeated or merged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/digest.h"
#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun::controller {

// What should be of this attempt on this node has changed: send it (desired.h).
struct SendDesired {
  std::string node;
  AttemptKey key;
  bool operator==(const SendDesired&) const = default;
};
// The agent may clean up.
struct Release {
  std::string node;
  AttemptKey key;
  bool operator==(const Release&) const = default;
};
// This attempt has ended with a log of that length: see that all of it is stored, then say
// OutputStored.
struct ExpectOutput {
  AttemptKey key;
  int64_t bytes = 0;
  bool operator==(const ExpectOutput&) const = default;
};
// No more of this attempt's output will come: what is expected of it is expected no longer.
struct ForgetOutput {
  AttemptKey key;
  bool operator==(const ForgetOutput&) const = default;
};
// Watchers of the task may want to know.
struct TaskChanged {
  TaskKey task;
  bool operator==(const TaskChanged&) const = default;
};

// The tree is wanted that an attempt is to begin with: `base` with what these attempts wrote laid over
// it, or, of earlier attempts of the same task, what of it came home. Answered by Derived.
struct DeriveRoot {
  TaskKey task;
  uint32_t attempt = 1;
  std::string volume;
  Digest base;
  std::vector<AttemptKey> over;
  std::vector<AttemptKey> kept = {};  // those of `over` that keep to themselves what they wrote
  Digest volume_tree = {};            // as Root's, of `base`
  // With what a setup step writes laid over all of it, if one that ran would have done the same.
  struct Setup {
    SetupOnce which;
    std::string home;                    // the caller's
    std::optional<AttemptKey> ran = {};  // the step that was run for this very tree,
    // One that began with what `failed_from` had left, and failed.
    std::optional<AttemptKey> failed = {};
    JobId failed_from = 0;
    Digest began_with = {};  // what that one, or the other, began with
    bool operator==(const Setup&) const = default;
  };
  std::optional<Setup> setup = {};
  bool operator==(const DeriveRoot&) const = default;
};

using Effect =
    std::variant<SendDesired, Release, ExpectOutput, ForgetOutput, TaskChanged, DeriveRoot>;

}  // namespace devrun::controller
