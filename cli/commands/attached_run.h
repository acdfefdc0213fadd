// Following a job or a session to its end on this terminal, and what is said and returned afterwards. `run`,
// `attach`, `shell` and `exec` end here.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"

namespace devrun::cli {

struct Following {
  TaskKey task;
  uint32_t rank = 0;
  uint32_t ranks = 1;           // more: the output of all, with prefixes
  bool watch = false;           // nothing of ours reaches the job
  bool signals_end_us = false;  // of a session: they are not its program's
  bool write_stdin = false;
  bool tty = false;
  std::string detach_keys;  // bytes
  bool patient = false;     // the job was submitted by us just now
  bool quiet = false;
  std::string near_command =
      {};  // of devrun's own: what may have been meant if the program is not found
  std::optional<SessionWish> session = {};   // a session of the job instead of its own streams
  std::optional<LogBegin> begin = {};        // the output from there on; unset: all of it
  std::function<void()> before_output = {};  // of the job
  std::function<void()> before_ending = {};  // before its end is said
  bool keeps = true;                         // the job outlives us in any case
  Results results = Results::kHome;          // what the job does with what it writes
};

// Whether a session with this exit status went down with its job, and the job then. A job that is just ending is waited
// for, a moment.
std::optional<JobRecord> job_that_ended(Controller& controller, const TaskKey& task, int status);
// "job 42 has ended SUCCEEDED", or that of a dev container.
std::string has_ended_words(const JobRecord& job);

Result<int> follow_job(Controller& controller, Context& context, Signals& signals,
                       const Following& following);

// Submit, ended by a Ctrl-C.
Result<Submitted> submit_interruptibly(Controller& controller, Signals& signals,
                                       const Submission& submission,
                                       const std::function<void(const Error&)>& waits = {});

// The job's id alone, or one JSON record; nobody reading it is no reason to keep it from the shell.
Result<int> print_submitted(const Console& console, const Submitted& submitted, bool json);

// A job that no node could hold waits for one to be added, and whoever left it would never hear of that.
void warn_of_no_node(Controller& controller, const Console& console, JobId job,
                     const JobSpec& spec);

// What `run` does with a job that is ready to be sent.
struct Sending {
  bool detach = false;
  bool json = false;  // with detach
  bool quiet = false;
  std::string detach_keys = {};   // bytes
  std::string near_command = {};  // as in Following
  bool keeps = true;
  bool wait_for_controller = false;
};

// Submits (a Ctrl-C ends that), then prints the id or follows the job to its end.
Result<int> send_job(const Target& target, Context& context, const Submission& submission,
                     const Sending& sending);

}  // namespace devrun::cli
