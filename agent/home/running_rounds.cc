#include "agent/home/running_rounds.h"

#include <algorithm>

#include "common/base/log.h"

namespace devrun::home {

namespace {

constexpr std::chrono::milliseconds kAgainAtOnce{100};
constexpr std::chrono::seconds kFailurePauseMax{60};

int64_t wall_now_ns() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::system_clock;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

void RunningRounds::begin() {
  for (size_t i = 0; i < kRunningThreads; ++i) threads_.emplace_back([this] { run(); });
}

void RunningRounds::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void RunningRounds::add(const AttemptKey& key, UpperView view) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Watched>& place = watched_[key];
  if (place) return;
  place = std::make_unique<Watched>(std::move(view));
  place->look_at = Clock::now() + kLookEvery;
  changed_.notify_all();
}

SentFiles RunningRounds::take(const AttemptKey& key) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    const auto found = watched_.find(key);
    return found == watched_.end() || !found->second->busy;
  });
  const auto found = watched_.find(key);
  if (found == watched_.end()) return {};
  SentFiles out = std::move(found->second->sent);
  watched_.erase(found);
  return out;
}

bool RunningRounds::look_now(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(key);
  if (found == watched_.end()) return false;
  found->second->look_at = Clock::now();
  changed_.notify_all();
  return true;
}

std::map<AttemptKey, std::unique_ptr<RunningRounds::Watched>>::iterator RunningRounds::next_due() {
  auto out = watched_.end();
  for (auto it = watched_.begin(); it != watched_.end(); ++it) {
    if (it->second->busy) continue;
    if (out == watched_.end() || it->second->look_at < out->second->look_at) out = it;
  }
  return out;
}

void RunningRounds::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const auto due = next_due();
    if (due == watched_.end()) {
      changed_.wait(lock);
      continue;
    }
    if (due->second->look_at > Clock::now()) {
      changed_.wait_until(lock, due->second->look_at);
      continue;
    }
    const AttemptKey key = due->first;
    Watched& watched = *due->second;
    watched.busy = true;
    watched.look_at = Clock::time_point::max();
    lock.unlock();
    const Clock::duration pause = look(key, watched);
    lock.lock();
    watched.busy = false;
    // Somebody may have asked for the next one meanwhile.
    watched.look_at = std::min(watched.look_at, Clock::now() + pause);
    changed_.notify_all();
  }
}

// Returns how long to wait for the next one.
RunningRounds::Clock::duration RunningRounds::look(const AttemptKey& key, Watched& watched) {
  const int64_t now_ns = wall_now_ns();
  const Duration compared_before = watched.complete.compared();
  Result<std::unique_ptr<UpperReader>> reader = UpperReader::open(
      watched.view, [&](const Seen& seen) { return watched.complete.choose(seen, now_ns); });
  if (!reader) return kLookEvery;
  const Result<std::optional<HomeSummary>> told = rounds_.run({key, false, **reader, watched.sent});
  const int64_t look_us =
      (*reader)->spent().us - (watched.complete.compared().us - compared_before.us);
  const Clock::duration pause =
      std::max<Clock::duration>(kLookEvery, std::chrono::microseconds(look_us * kLookShare));
  if (told) {
    watched.failures = 0;
    return pause;
  }
  if (told.error().code == Code::kConflict && watched.failures == 0) {
    ++watched.failures;
    return kAgainAtOnce;  // a file was written to meanwhile
  }
  if (watched.failures < 2 && !rounds_.stopped()) {
    log::info("{}: bringing home while it runs: {}", to_string(key), told.error().message);
  }
  watched.failures = std::min(watched.failures + 1, 6);
  return std::max<Clock::duration>(
      pause, std::min<Clock::duration>(kLookEvery * (1 << watched.failures), kFailurePauseMax));
}

}  // namespace devrun::home
