// A task of a plan as a submission, and what is told of it to people.
#pragma once

#include <string>

#include "cli/client/controller.h"
#include "cli/commands/command.h"
#include "cli/commands/launch_places.h"
#include "cli/launch/plan.h"

namespace devrun::cli {

// The task's place among several.
struct Member {
  std::string whole;  // the pipeline's or group's name; empty: the task stands alone
  size_t index = 0;
  size_t count = 1;
  bool in_group = false;
  JobId leader = 0;  // the first of them; 0: this one is
};

struct TaskWish {
  const launch::TaskPlan& task;
  std::string name;  // what the job is called
  TaskPlaces places;
  Member member = {};
  bool no_setup = false;
  bool fresh_setup = false;
  std::vector<Resources> alternatives = {};  // JobSpec.alternatives
};

Result<Submission> submission_of(const TaskWish& wish, const Context& context, bool in_container);

// `train` of `/x/train.yaml`.
std::string name_of_file(const std::string& path);
// As labels and host names have them: "my task" → "my-task"; `otherwise` if nothing is left.
std::string plain_name(const std::string& name, const std::string& otherwise);

}  // namespace devrun::cli
