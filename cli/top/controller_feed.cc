#include "cli/top/controller_feed.h"

#include <fmt/format.h>

#include <chrono>

namespace devrun::cli {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(250);
constexpr size_t kErrandsMax = 64;

tui::AttemptRow row_of(const AttemptRecord& attempt) {
  std::string ending;
  if (attempt.ending) {
    ending = fmt::format("exit {}", attempt.ending->status);
    if (!attempt.ending->reason.empty()) ending += ": " + attempt.ending->reason;
  }
  return {attempt.key, attempt.node, attempt.state, ending, attempt.output_bytes};
}

uint64_t tasks_of(const JobSpec& spec) {
  uint64_t tasks = 0;
  for (const ArrayRange& range : spec.array) {
    if (range.step > 0 && range.last >= range.first) {
      tasks +=
          static_cast<uint64_t>(range.last - range.first) / static_cast<uint64_t>(range.step) + 1;
    }
  }
  return tasks;
}

// The job's own times, and where they are its first attempt's, those.
Timeline timeline_of(const JobRecord& job) {
  Timeline out = job.timeline;
  for (const AttemptRecord& attempt : job.attempts) {
    const Timeline& at = attempt.timeline;
    if (out.placed.us == 0) out.placed = at.placed;
    if (out.mounted.us == 0) out.mounted = at.mounted;
    if (out.started.us == 0) out.started = at.started;
    if (out.first_byte.us == 0) out.first_byte = at.first_byte;
    out.ended = std::max(out.ended, at.ended);
  }
  return out;
}

tui::JobRow row_of(const JobRecord& job) {
  tui::JobRow row;
  row.id = job.job;
  row.state = job.state;
  row.user = job.spec.user;
  row.volume = job.spec.root.volume;
  row.name = job.spec.name;
  row.command = shown_command(job);
  row.reason = job.reason;
  row.snapshot = job.spec.root.live ? "live" : job.spec.root.tree.short_hex();
  row.cwd = job.spec.program.cwd;
  row.env_names = job.env_names;
  for (const AttemptRecord& attempt : job.attempts) row.attempts.push_back(row_of(attempt));
  if (job.ending) row.ending = *job.ending;
  row.per_node = job.spec.per_node;
  row.ranks = job.spec.nodes;
  row.tasks = tasks_of(job.spec);
  if (job.tasks) row.progress = *job.tasks;
  row.timeline = row.tasks != 0 ? job.timeline : timeline_of(job);
  return row;
}

tui::Pushed pushed_of(const WatchNews& news) {
  tui::Pushed out;
  out.whole = news.whole;
  out.now = news.now;
  for (const JobRecord& job : news.jobs) out.jobs.push_back(row_of(job));
  for (const NodeRecord& node : news.nodes) {
    out.nodes.push_back(
        {node.hello.name, node.connected, node.hello.total, node.used, node.attempts});
  }
  return out;
}

}  // namespace

bool ControllerFeed::stopping() {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

void ControllerFeed::start(Post post) {
  post_ = std::move(post);
  watcher_ = std::thread([this] { watch_until_stopped(); });
  errands_ = std::thread([this] { run_errands(); });
}

void ControllerFeed::watch_until_stopped() {
  while (!stopping()) {
    std::shared_ptr<WatchStream> stream = controller_.watch({.all = all_});
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) stream->cancel();
      watch_ = stream;
    }
    while (const auto news = stream->read()) post_(pushed_of(*news));
    const Status ended = stream->finish();
    if (stopping()) return;
    post_(tui::ConnectionLost{ended ? "the controller ended the call; asking again"
                                    : ended.error().message});
    if (!controller_.wait_connected(kRetryPause)) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kRetryPause, [this] { return stopping_; });
  }
}

void ControllerFeed::run_errands() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !to_cancel_.empty() || to_fetch_; });
    if (stopping_) return;
    if (to_cancel_.empty()) {
      const JobId job = *std::exchange(to_fetch_, std::nullopt);
      lock.unlock();
      // A failure is the watch's to tell; the next tick asks again.
      if (const auto fetched = controller_.get_job(job)) post_(tui::JobFetched{row_of(*fetched)});
      lock.lock();
      continue;
    }
    const JobId job = to_cancel_.front();
    to_cancel_.pop_front();
    lock.unlock();
    const auto before = controller_.cancel({job, kNoTask}, 0);
    post_(tui::CancelAnswered{job, before ? "" : before.error().message});
    lock.lock();
  }
}

void ControllerFeed::perform(const tui::Command& command) {
  if (const auto* open = std::get_if<tui::OpenLog>(&command)) open_log(open->of);
  if (std::holds_alternative<tui::CloseLog>(command)) close_log();
  if (const auto* fetch = std::get_if<tui::FetchJob>(&command)) {
    const std::scoped_lock lock(mutex_);
    to_fetch_ = fetch->job;
    changed_.notify_all();
  }
  if (const auto* cancel = std::get_if<tui::CancelJob>(&command)) {
    const std::scoped_lock lock(mutex_);
    if (to_cancel_.size() < kErrandsMax) to_cancel_.push_back(cancel->job);
    changed_.notify_all();
  }
}

void ControllerFeed::open_log(const AttemptKey& of) {
  close_log();
  auto reading = std::make_unique<Reading>();
  reading->of = of;
  reading->stream = controller_.attach({of, 0, false});
  Reading* const mine = reading.get();
  reading->thread = std::thread([this, mine] {
    while (auto news = mine->stream->read()) {
      if (auto* output = std::get_if<AttachOutput>(&*news)) {
        const uint64_t read = output->offset + output->bytes.size();
        post_(tui::LogBytes{mine->of, std::move(output->bytes), false});
        mine->stream->send_output_read(read);
      }
      if (std::holds_alternative<AttachEnd>(*news)) post_(tui::LogBytes{mine->of, "", true});
    }
    const Status ended = mine->stream->finish();
    if (!ended && ended.error().code != Code::kCancelled) {
      post_(tui::LogFailed{mine->of, ended.error().message});
    }
  });
  const std::scoped_lock lock(mutex_);
  readings_.push_back(std::move(reading));
}

// Not joined here: the reader may be waiting for the very thread that calls this to take its events.
void ControllerFeed::close_log() {
  const std::scoped_lock lock(mutex_);
  if (!readings_.empty()) readings_.back()->stream->cancel();
}

void ControllerFeed::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (watch_) watch_->cancel();
    for (const auto& reading : readings_) reading->stream->cancel();
    changed_.notify_all();
  }
  if (watcher_.joinable()) watcher_.join();
  if (errands_.joinable()) errands_.join();
  for (const auto& reading : readings_) {
    if (reading->thread.joinable()) reading->thread.join();
  }
}

}  // namespace devrun::cli
