// When acknowledged snapshots are settled, and what follows it: a thread of its own.
//
// Settling costs commits and device flushes, and deleting the instants that it replaces costs the
// file system more than making them. Both would be paid by the next snapshot if it came meanwhile.
// So a store is settled once nobody has taken a snapshot for a while, and after some time or some
// number of snapshots in any case: until then a power loss has that many to build again.
//
// btrfs deletes in the background, in a transaction that it leaves open, and begins only after a
// commit. Two commits follow, so that no snapshot has to wait for the end of a deletion
// (bench/snapshot, "a second after the last").
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>

namespace devrun::storage {

class Settler {
 public:
  // Called in the settler's thread only. `settle`: makes all that is pending durable. `commit`: the
  // file system's own commit.
  Settler(std::function<void()> settle, std::function<void()> commit)
      : settle_(std::move(settle)), commit_(std::move(commit)) {}
  ~Settler() { stop(); }
  Settler(const Settler&) = delete;
  Settler& operator=(const Settler&) = delete;

  void start();
  // Any thread: a snapshot was acknowledged that is not settled.
  void taken();
  // Waits for a settling in progress. Nothing is called afterwards.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  void wait_until_quiet(std::unique_lock<std::mutex>& lock);
  void finish_deletions(std::unique_lock<std::mutex>& lock);

  const std::function<void()> settle_;
  const std::function<void()> commit_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  size_t unsettled_ = 0;
  Clock::time_point first_;  // of the unsettled ones
  Clock::time_point last_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace devrun::storage
