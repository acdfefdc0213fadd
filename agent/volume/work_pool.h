// A few threads for work that takes a processor or the local disk: verifying, reading the cache. Never for waiting.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace devrun::volume {

class WorkPool {
 public:
  explicit WorkPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
  }
  ~WorkPool() {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();  // what is queued is done first
  }
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Urgent work goes before what is not. Who posts bounds the amount.
  void post(bool urgent, std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      (urgent ? urgent_ : later_).push_back(std::move(work));
    }
    posted_.notify_one();
  }

 private:
  void run(const std::stop_token& stop) {
    for (;;) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex_);
        posted_.wait(lock, stop, [this] { return !urgent_.empty() || !later_.empty(); });
        std::deque<std::function<void()>>& queue = urgent_.empty() ? later_ : urgent_;
        if (queue.empty()) return;  // asked to stop
        work = std::move(queue.front());
        queue.pop_front();
      }
      work();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any posted_;
  std::deque<std::function<void()>> urgent_;
  std::deque<std::function<void()>> later_;
  std::vector<std::jthread> threads_;
};

}  // namespace devrun::volume
