// A job comes in. The edge has checked its form; what depends on the state is checked here.
#include <fmt/format.h>

#include "controller/core/group.h"
#include "controller/core/limits.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

// Whoever waits for a job sees what it wrote: only its owner may, and another than the volume's root
// only their own.
bool may_follow(const JobSpec& spec, const Job& other) {
  if (other.spec.user != spec.user) return false;
  const Caller& caller = spec.program.caller;
  return caller.uid == 0 || (other.spec.root.volume == spec.root.volume &&
                             other.spec.program.caller.uid == caller.uid);
}

// Each is there, and may still end as it must.
Status check_waited(const State& state, const JobSpec& spec) {
  for (const auto* ids : {&spec.after, &spec.after_ok, &spec.after_fail}) {
    for (const JobId id : *ids) {
      const Job* other = find_job(state, id);
      if (other == nullptr || !may_follow(spec, *other)) {
        return Error{Code::kNotFound, fmt::format("there is no job {} to wait for", id),
                     "devrun ps -a"};
      }
      if (!other->outcome || ids == &spec.after) continue;
      const bool succeeded = other->outcome->state == JobState::kSucceeded;
      if (succeeded == (ids == &spec.after_ok)) continue;
      return Error{Code::kConflict,
                   fmt::format("job {}, which this one is to wait for, has ended {}", id,
                               state_name(other->outcome->state)),
                   fmt::format("devrun show {}", id)};
    }
  }
  return ok();
}

}  // namespace

Result<Reply> submit(Turn& turn, const Submit& input) {
  State& state = turn.state;
  const JobSpec& spec = input.spec;
  const auto known = state.requests.find({spec.user, input.request_id});
  if (known != state.requests.end()) return Reply{Submitted{known->second, true}};

  TRY(check_waited(state, spec));
  TRY(check_member(state, spec));
  if (spec.dev_container) {
    const auto dev = state.dev_containers.find(spec.root.volume);
    // One per volume: whoever asks for it gets the one that lives.
    if (dev != state.dev_containers.end()) {
      const Task* task = find_task(state, {dev->second, kNoTask});
      if (task == nullptr || !task->stop) return Reply{Submitted{dev->second, true}};
      return Error{Code::kConflict,
                   fmt::format("the dev container of volume '{}', job {}, is being ended",
                               spec.root.volume, dev->second),
                   "try again"};
    }
  }
  TRY(check_waiting(state, spec));
  const JobId id = state.next_job;
  Timeline timeline = input.timeline;
  timeline.journaled = turn.now;
  turn.happened(JobSubmitted{id, input.request_id, spec, timeline});
  if (input.setup_hit) {
    const Submit::SetupHit& hit = *input.setup_hit;
    turn.happened(SetupDecided{id, {SetupHow::kHit, hit.from, spec.root.tree, hit.why}});
    turn.happened(RootDerived{{id, kNoTask}, 1, hit.tree});
  }
  turn.act(TaskChanged{{id, kNoTask}});
  return Reply{Submitted{id, false}};
}

}  // namespace devrun::controller
