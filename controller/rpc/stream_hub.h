// The relay: channels by attempt, and who watches which task. A channel lives as long as a call holds it, or until the
// output that it expects is stored. Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/core/view.h"
#include "controller/rpc/channel.h"
#include "controller/rpc/log_start.h"
#include "controller/rpc/worker_pool.h"

namespace devrun::controller {

// Told of a task's changes on the core's thread; must not block.
class TaskWatcher {
 public:
  virtual ~TaskWatcher() = default;
  virtual void task_changed(const TaskView& view) = 0;
};

class StreamHub {
 public:
  using Stored = std::function<void(const AttemptKey&, uint64_t bytes)>;
  // `workers` sync and search logs. `stored` is told of each attempt whose expected output is durable, and
  // how much that is.
  StreamHub(std::string jobs_path, WorkerPool& workers, Stored stored);

  std::shared_ptr<Channel> channel(const AttemptKey& key);
  // How much of its output is here, while it comes; 0 if nobody sends or reads any.
  uint64_t output_length(const AttemptKey& key);
  void expect_output(const AttemptKey& key, uint64_t bytes);
  void forget_output(const AttemptKey& key);  // that was expected: no more comes
  // Its node has it: soon the store has a folder of it.
  void note_begun(const std::shared_ptr<Channel>& channel);
  // Answers on a worker's thread, or at once if too many wait.
  void find_start(std::shared_ptr<Channel> channel, const LogStart& start,
                  std::function<void(Result<uint64_t>)> answer);

  // One call at a time is a task's writer: its stdin, signals and resizes count, whichever ranks and attempts it is
  // attached to. kConflict while another one is. A call that is gone has left.
  Status become_writer(TaskKey task, const std::shared_ptr<TaskWatcher>& call);
  void leave_writer(TaskKey task, const TaskWatcher* call);

  void watch(TaskKey task, std::weak_ptr<TaskWatcher> watcher);
  void publish(TaskKey task, const TaskView& view);
  std::vector<TaskKey> watched();

 private:
  void sync(const std::shared_ptr<Channel>& channel);

  const std::string jobs_path_;
  WorkerPool& workers_;
  const Stored stored_;
  std::mutex mutex_;
  std::map<AttemptKey, std::weak_ptr<Channel>> channels_;
  std::map<AttemptKey, std::shared_ptr<Channel>> expecting_;
  std::map<TaskKey, std::vector<std::weak_ptr<TaskWatcher>>> watchers_;
  std::map<TaskKey, std::weak_ptr<TaskWatcher>> writers_;
};

}  // namespace devrun::controller
