// Waiting for a quiet moment, and no longer than is safe.
#include "controller/storage/settler.h"

#include <algorithm>
#include <chrono>

namespace devrun::storage {

namespace {

constexpr auto kQuiet = std::chrono::milliseconds(700);
constexpr auto kUnsettledMax = std::chrono::seconds(20);
constexpr size_t kUnsettledCountMax = 100;
// What btrfs needs for the deletion of one instant on a slow machine; later ones are only slower.
constexpr auto kDeletion = std::chrono::milliseconds(300);

}  // namespace

void Settler::start() {
  thread_ = std::thread([this] { loop(); });
}

void Settler::taken() {
  {
    const std::lock_guard lock(mutex_);
    last_ = Clock::now();
    if (unsettled_++ == 0) first_ = last_;
  }
  changed_.notify_all();
}

void Settler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Settler::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wait_until_quiet(lock);
    if (stopping_) return;
    unsettled_ = 0;
    lock.unlock();
    settle_();
    lock.lock();
    finish_deletions(lock);
  }
}

void Settler::wait_until_quiet(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [this] { return unsettled_ > 0 || stopping_; });
  while (!stopping_ && unsettled_ < kUnsettledCountMax) {
    const Clock::time_point until = std::min(last_ + kQuiet, first_ + kUnsettledMax);
    if (Clock::now() >= until) return;
    changed_.wait_until(lock, until);
  }
}

// A snapshot that comes meanwhile is not held up by more than one commit of little.
void Settler::finish_deletions(std::unique_lock<std::mutex>& lock) {
  for (int i = 0; i < 2; ++i) {
    lock.unlock();
    commit_();
    lock.lock();
    const auto interrupted = [this] { return stopping_ || unsettled_ > 0; };
    if (changed_.wait_for(lock, kDeletion, interrupted)) return;
  }
}

}  // namespace devrun::storage
