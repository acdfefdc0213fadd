// The output of a job's setup step, which runs as a job of its own if it has to run (docs/yaml.md, "Setup once"):
// printed before the job's own, as if both were one program.
//
// A thread and a connection of its own: the job itself is attached meanwhile, so that signals reach it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "cli/client/controller.h"
#include "cli/output/console.h"

namespace devrun::cli {

class SetupOutput {
 public:
  // Begins at once. `console` outlives it.
  SetupOutput(const Target& target, const Console& console, JobId job, bool quiet);
  ~SetupOutput() { stop(); }
  SetupOutput(const SetupOutput&) = delete;
  SetupOutput& operator=(const SetupOutput&) = delete;

  // The job itself has output, or has ended: returns once the step's is printed. Any thread; idempotent.
  void finish();
  // Nobody wants the rest.
  void stop();

 private:
  void run();
  // Whether there is nothing more to come.
  bool look();
  void print(JobId run);
  bool is_over();

  const Console& console_;
  const JobId job_;
  const bool quiet_;
  Controller controller_;
  JobId printed_ = 0;  // the thread's alone, as the next
  int missed_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool finishing_ = false;
  std::atomic<bool> stopped_{false};
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace devrun::cli
