// Where the things of a task are: its volume, its workdir, and what its file mounts and volumes name, each found where it
// lies or brought there. What lies in the caller's own volume is in the snapshot already, and is only bound to where the
// task wants it; what does not is uploaded (launch_upload.h). Shared folders and volumes of images are made if they are
// missing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"
#include "cli/launch/places_script.h"
#include "cli/launch/plan.h"

namespace devrun::cli {

struct TaskPlaces {
  std::string volume;
  std::string workdir;  // in the task, absolute; empty: none
  PathRules paths = {};
  std::vector<launch::PlaceStep> steps = {};
  std::vector<JobId> after = {};  // what brings the rest
};

// $HOME, which the task has too, or the caller's own; without a slash at its end.
std::string home_of(const Context& context, const Caller& caller);

class Places {
 public:
  // `volume`: whatever the task says; empty: its image's, or the caller's.
  Places(Controller& controller, Context& context, Signals& signals, const Target& target,
         Caller caller, std::string volume, bool quiet)
      : controller_(controller),
        context_(context),
        signals_(signals),
        target_(target),
        home_(home_of(context, caller)),
        caller_(std::move(caller)),
        wanted_volume_(std::move(volume)),
        quiet_(quiet) {}

  Result<TaskPlaces> of(const launch::TaskPlan& task);

 private:
  Result<std::string> volume_of(const launch::TaskPlan& task);
  Status find_workdir(const launch::TaskPlan& task, TaskPlaces& out);
  void cover_what_lies_there(TaskPlaces& out) const;
  Status add(const launch::PlannedMount& mount, TaskPlaces& out);
  Status add_local(const launch::PlannedMount& mount, TaskPlaces& out);
  Status add_shared(const launch::PlannedMount& mount, TaskPlaces& out);
  // Where the path from here is in the task: where it is, or where it is brought to.
  Result<std::string> brought(const std::string& path, const std::string& to, bool whole,
                              TaskPlaces& out);
  bool is_in(const std::string& volume, const std::string& path) const;
  Result<std::string> path_here(const std::string& written) const;
  std::string in_task(const std::string& target, const TaskPlaces& places) const;
  Status make_volume(const VolumeRequest& request, const std::string& what);
  Status await_volume(const std::string& name);
  Status create(const VolumeRequest& request, const ProgressWords& words);
  Status look_at_volumes();

  Controller& controller_;
  Context& context_;
  Signals& signals_;
  const Target& target_;
  const std::string home_;  // what `~` is, here and in the task; empty: the root
  const Caller caller_;
  const std::string wanted_volume_;
  const bool quiet_;
  std::optional<std::set<std::string>> volumes_;  // that there are
};

// What of the plan's sources is not here, a diagnostic each: for a dry run, which brings nothing.
std::vector<launch::Diagnostic> missing_sources(const launch::Plan& plan, const Context& context);

}  // namespace devrun::cli
