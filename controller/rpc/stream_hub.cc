#include "controller/rpc/stream_hub.h"

#include <fmt/format.h>

#include "common/base/log.h"

namespace devrun::controller {

namespace {
// Channels that nobody holds any more are swept when the map has grown by this much.
constexpr size_t kSweepEvery = 256;
}  // namespace

StreamHub::StreamHub(std::string jobs_path, WorkerPool& workers, Stored stored)
    : jobs_path_(std::move(jobs_path)), workers_(workers), stored_(std::move(stored)) {}

std::shared_ptr<Channel> StreamHub::channel(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  if (auto known = channels_[key].lock()) return known;
  auto made = std::make_shared<Channel>(key, output_path(jobs_path_, key));
  channels_[key] = made;
  if (channels_.size() % kSweepEvery == 0) {
    std::erase_if(channels_, [](const auto& entry) { return entry.second.expired(); });
  }
  return made;
}

uint64_t StreamHub::output_length(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  const auto known = channels_.find(key);
  const std::shared_ptr<Channel> channel =
      known == channels_.end() ? nullptr : known->second.lock();
  return channel ? channel->output().length() : 0;
}

void StreamHub::expect_output(const AttemptKey& key, uint64_t bytes) {
  const std::shared_ptr<Channel> expecting = channel(key);
  {
    const std::lock_guard lock(mutex_);
    expecting_[key] = expecting;
  }
  // `expecting_` holds the channel, so the channel must not hold itself.
  expecting->when_output_reaches(bytes, [this, key] {
    std::shared_ptr<Channel> complete;
    {
      const std::lock_guard lock(mutex_);
      const auto it = expecting_.find(key);
      if (it == expecting_.end()) return;
      complete = std::move(it->second);
      expecting_.erase(it);
    }
    sync(complete);
  });
}

void StreamHub::forget_output(const AttemptKey& key) {
  std::shared_ptr<Channel> forgotten;  // let go outside of the lock
  const std::lock_guard lock(mutex_);
  const auto it = expecting_.find(key);
  if (it == expecting_.end()) return;
  forgotten = std::move(it->second);
  expecting_.erase(it);
}

void StreamHub::note_begun(const std::shared_ptr<Channel>& channel) {
  if (channel->output().length() != 0) return;
  const bool queued = workers_.run([channel] {
    if (const Status made = channel->output().make(); !made) {
      log::warning("{}", made.error().message);
    }
  });
  if (!queued) log::debug("{}: its output's folder is made later", to_string(channel->key()));
}

void StreamHub::find_start(std::shared_ptr<Channel> channel, const LogStart& start,
                           std::function<void(Result<uint64_t>)> answer) {
  const auto found = std::make_shared<std::function<void(Result<uint64_t>)>>(std::move(answer));
  const bool queued = workers_.run([channel = std::move(channel), start, found] {
    (*found)(find_log_start(channel->output(), channel->output().length(), start));
  });
  if (!queued) (*found)(Error{Code::kExhausted, "too many requests about logs wait", "try again"});
}

void StreamHub::sync(const std::shared_ptr<Channel>& channel) {
  const bool queued = workers_.run([this, channel] {
    if (const Status synced = channel->output().sync(); !synced) {
      log::error("output of {} stays on its node: {}", to_string(channel->key()),
                 synced.error().message);
      return;
    }
    stored_(channel->key(), channel->output().length());
  });
  // The agent keeps it, and is asked again when it synchronizes.
  if (!queued)
    log::warning("output of {}: too many logs wait to be synced", to_string(channel->key()));
}

Status StreamHub::become_writer(TaskKey task, const std::shared_ptr<TaskWatcher>& call) {
  const std::lock_guard lock(mutex_);
  if (writers_.size() >= kSweepEvery)
    std::erase_if(writers_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<TaskWatcher>& writer = writers_[task];
  if (!writer.expired()) {
    return Error{Code::kConflict,
                 fmt::format("another devrun writes to job {} already", to_string(task)),
                 fmt::format("devrun attach --no-stdin {}", to_string(task))};
  }
  writer = call;
  return ok();
}

void StreamHub::leave_writer(TaskKey task, const TaskWatcher* call) {
  const std::lock_guard lock(mutex_);
  const auto it = writers_.find(task);
  if (it != writers_.end() && it->second.lock().get() == call) writers_.erase(it);
}

void StreamHub::watch(TaskKey task, std::weak_ptr<TaskWatcher> watcher) {
  const std::lock_guard lock(mutex_);
  watchers_[task].push_back(std::move(watcher));
}

void StreamHub::publish(TaskKey task, const TaskView& view) {
  std::vector<std::shared_ptr<TaskWatcher>> alive;
  {
    const std::lock_guard lock(mutex_);
    const auto it = watchers_.find(task);
    if (it == watchers_.end()) return;
    std::erase_if(it->second, [&](const std::weak_ptr<TaskWatcher>& watcher) {
      auto locked = watcher.lock();
      if (locked) alive.push_back(std::move(locked));
      return watcher.expired();
    });
    if (it->second.empty()) watchers_.erase(it);
  }
  for (const auto& watcher : alive) watcher->task_changed(view);
}

std::vector<TaskKey> StreamHub::watched() {
  const std::lock_guard lock(mutex_);
  std::vector<TaskKey> tasks;
  for (const auto& [task, watchers] : watchers_) tasks.push_back(task);
  return tasks;
}

}  // namespace devrun::controller
