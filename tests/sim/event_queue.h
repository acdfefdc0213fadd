// Virtual time: what happens next happens at once. `Life` is for what a process has under way: it is dropped when the
// process ends, as a kernel drops it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "common/base/time.h"

namespace devrun::sim {

using Work = std::function<void()>;

class EventQueue {
 public:
  // True time, which no process of the cluster knows.
  Time now() const { return now_; }
  void after(Duration delay, Work work) {
    entries_.push({now_ + std::max(delay, Duration{}), ++number_, std::move(work)});
  }
  // False if nothing is left.
  bool run_next() {
    if (entries_.empty()) return false;
    // The queue gives no way to move its top out, and the work may add entries.
    const Work work = std::move(const_cast<Entry&>(entries_.top()).work);
    now_ = entries_.top().at;
    entries_.pop();
    ++ran_;
    work();
    return true;
  }
  uint64_t ran() const { return ran_; }

 private:
  struct Entry {
    Time at;
    uint64_t number = 0;  // what was asked for first happens first
    Work work;
    bool operator<(const Entry& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };
  std::priority_queue<Entry> entries_;
  Time now_;
  uint64_t number_ = 0;
  uint64_t ran_ = 0;
};

class Life {
 public:
  explicit Life(EventQueue& queue) : queue_(queue), number_(std::make_shared<uint64_t>(0)) {}
  ~Life() { end(); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // Not after end().
  void after(Duration delay, Work work) {
    queue_.after(delay, [number = number_, mine = *number_, work = std::move(work)] {
      if (*number == mine) work();
    });
  }
  // The same for what others call; it answers whether anybody was there.
  template <typename... Args>
  std::function<bool(Args...)> bound(std::function<void(Args...)> work) const {
    return [number = number_, mine = *number_, work = std::move(work)](Args... args) {
      if (*number != mine) return false;
      work(std::forward<Args>(args)...);
      return true;
    };
  }
  // Nothing that was begun until now happens any more; what begins from now on is of the next life.
  void end() { ++*number_; }

 private:
  EventQueue& queue_;
  const std::shared_ptr<uint64_t> number_;
};

}  // namespace devrun::sim
