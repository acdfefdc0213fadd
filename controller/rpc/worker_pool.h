// A few threads for what blocks (snapshots, volumes, fdatasync), with a bounded queue. Ends its work before it goes.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace devrun::controller {

class WorkerPool {
 public:
  WorkerPool(size_t threads, size_t queue_max);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Ends what is queued, then the threads; may be called again.
  void stop();
  // False if the queue is full: `work` will not be done.
  [[nodiscard]] bool run(std::function<void()> work);

 private:
  void serve();

  const size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace devrun::controller
