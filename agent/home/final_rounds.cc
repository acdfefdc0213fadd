#include "agent/home/final_rounds.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/tree/reads.h"

namespace devrun::home {

namespace {

constexpr int kConflictsMax = 5;  // at once, before it is left alone for a while
constexpr int kTriesOfFailureMax = 8;
constexpr Duration kOwedAgainAfter = seconds(600);

Duration pause_after(int tries) {
  return {std::min<int64_t>(int64_t{100'000} << std::min(tries, 10), 10'000'000)};
}

// The controller is away, or the connection broke.
bool is_passing(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kTimeout ||
         error.code == Code::kCancelled;
}

bool was_here(const std::string& upper) {
  struct stat st {};
  return ::lstat(upper.c_str(), &st) == 0 || errno != ENOENT;
}

bool is_wanted(const sandbox::WrittenPlace& place) {
  return !place.live && place.results != Results::kDiscard && was_here(place.upper);
}

Error left_behind() {
  return {Code::kCancelled, "it was cancelled while it came home", {}};
}

HomeSummary failure_of(const AttemptKey& key, const Error& error) {
  HomeSummary out;
  out.failure = error.message;
  out.hint =
      error.hint.empty() ? fmt::format("devrun apply {}", to_string(key.task_key())) : error.hint;
  return out;
}

}  // namespace

// One attempt's turn among those whose last round is made.
class FinalRounds::Turn {
 public:
  // Waits for it.
  Turn(FinalRounds& owner, const AttemptKey& key) : owner_(owner), key_(key) {
    std::unique_lock lock(owner_.mutex_);
    owner_.changed_.wait(lock, [&] {
      return owner_.stopped_ || owner_.rounds_.is_left(key_) ||
             (owner_.under_way_.size() < kFinalRoundsAtOnceMax &&
              !owner_.under_way_.contains(key_));
    });
    has_ = !owner_.stopped_ && !owner_.rounds_.is_left(key_);
    if (has_) owner_.under_way_.insert(key_);
  }
  ~Turn() {
    const std::lock_guard lock(owner_.mutex_);
    if (has_) owner_.under_way_.erase(key_);
    owner_.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return has_; }

 private:
  FinalRounds& owner_;
  const AttemptKey key_;
  bool has_ = false;
};

void FinalRounds::begin() {
  thread_ = std::thread([this] { run(); });
}

void FinalRounds::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Result<std::optional<HomeSummary>> FinalRounds::round(const AttemptKey& key,
                                                      const sandbox::WrittenPlace& place,
                                                      SentFiles& sent) {
  const UpperView view{place.upper, place.lower, place.paths, place.caller_home};
  Result<std::unique_ptr<UpperReader>> reader = UpperReader::open(view);
  if (!reader) {
    // Not the controller's word: its disk is not there.
    return Error{Code::kIo, std::move(reader).error().message, {}};
  }
  std::string reads;
  if (!place.reads.empty()) {
    // A list that has gone is one that nothing is concluded from.
    Result<std::string> found = read_file(place.reads, tree::kReadsBytesMax);
    if (found) reads = std::move(*found);
  }
  return rounds_.run({key, true, **reader, sent, std::move(reads), place.failed});
}

void FinalRounds::settle(const AttemptKey& key) {
  const Status settled = places_.settle_written(key);
  if (!settled) log::warning("{}: {}", to_string(key), settled.error().message);
}

std::optional<HomeSummary> FinalRounds::finish(const AttemptKey& key, SentFiles sent) {
  const Result<sandbox::WrittenPlace> place = places_.written_place(key);
  if (!place || !is_wanted(*place)) return {};
  if (place->left) return failure_of(key, left_behind());
  const Turn turn(*this, key);
  if (!turn && rounds_.is_left(key)) return failure_of(key, left_behind());
  if (!turn) return {};
  int conflicts = 0;
  int failures = 0;
  for (int tries = 0;; ++tries) {
    const Result<std::optional<HomeSummary>> done = round(key, *place, sent);
    if (done) {
      settle(key);
      return *done;
    }
    const Error& error = done.error();
    if (rounds_.stopped()) return {};
    if (rounds_.is_left(key)) return failure_of(key, left_behind());
    if (tries == 0) log::info("{}: bringing home: {}", to_string(key), error.message);
    if (error.code == Code::kUnsupported) return {};  // an older controller, which asks for nothing
    if (error.code == Code::kNotFound) settle(key);
    if (error.code == Code::kConflict && ++conflicts <= kConflictsMax) continue;
    // gRPC calls some broken connections internal errors.
    const bool again =
        is_passing(error) || ((error.code == Code::kConflict || error.code == Code::kInternal) &&
                              ++failures < kTriesOfFailureMax);
    if (!again) {
      log::warning("{}: what it wrote is not stored: {}", to_string(key), error.message);
      return failure_of(key, error);
    }
    if (!pause(key, pause_after(tries))) return {};
  }
}

// False once the agent stops. Ends early for what is left.
bool FinalRounds::pause(const AttemptKey& key, Duration time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(time.us),
                    [&] { return stopped_ || rounds_.is_left(key); });
  return !stopped_;
}

void FinalRounds::owe(const AttemptKey& key, bool asked) {
  const std::lock_guard lock(mutex_);
  owed_[key] = {Clock::now(), 0, asked};
  if (asked) rounds_.wait_again(key);
  changed_.notify_all();
}

void FinalRounds::leave(const AttemptKey& key) {
  const Status left = places_.leave_written(key);
  if (!left) log::warning("{}: {}", to_string(key), left.error().message);
  rounds_.leave(key);
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void FinalRounds::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const auto next = std::ranges::min_element(
        owed_, {}, [](const auto& entry) { return entry.second.again_at; });
    if (next == owed_.end()) {
      changed_.wait(lock);
      continue;
    }
    const Owed due = next->second;
    const AttemptKey key = next->first;
    if (due.again_at > Clock::now()) {
      changed_.wait_until(lock, due.again_at);
      continue;
    }
    // So that what is owed anew meanwhile is seen.
    owed_.erase(next);
    lock.unlock();
    const std::optional<Duration> again = pay(key, due);
    lock.lock();
    if (!again || owed_.contains(key)) continue;
    owed_[key] = {Clock::now() + std::chrono::microseconds(again->us), due.tries + 1, due.asked};
  }
}

// After which time again; none: it is done with.
std::optional<Duration> FinalRounds::pay(const AttemptKey& key, const Owed& owed) {
  const Turn turn(*this, key);
  if (!turn) return {};
  const Result<sandbox::WrittenPlace> place = places_.written_place(key);
  if (!place && place.error().code == Code::kNotFound) return {};
  if (!place) return kOwedAgainAfter;
  if (place->settled || !is_wanted(*place) || !(place->ended || place->released)) return {};
  if (place->left && !owed.asked) return {};
  SentFiles sent;
  const Result<std::optional<HomeSummary>> done = round(key, *place, sent);
  if (rounds_.stopped()) return {};
  if (done || done.error().code == Code::kNotFound) {
    log::info("{}: what it wrote {}", to_string(key),
              done ? "is stored" : "is nobody's: " + done.error().message);
    settle(key);
    return {};
  }
  if (rounds_.is_left(key)) return {};
  if (owed.tries == 0) {
    log::warning("{}: bringing home: {}", to_string(key), done.error().message);
  }
  return is_passing(done.error()) ? pause_after(owed.tries) : kOwedAgainAfter;
}

}  // namespace devrun::home
