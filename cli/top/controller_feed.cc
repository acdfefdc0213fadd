#include "cli/top/controller_feed.h"

#include <fmt/format.h>

#include <chrono>

#include "cli/top/own_program.h"
#include "cli/top/rows.h"

namespace devrun::cli {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(250);
constexpr uint32_t kQueueShown = 500;
constexpr size_t kTextPieceBytes = 32 << 10;

// What the storage may have to be asked for, or another program be run for: nobody who cancels waits for these.
bool is_slow(const tui::Command& errand) {
  return std::holds_alternative<tui::FetchVolumes>(errand) ||
         std::holds_alternative<tui::FetchSnapshots>(errand) ||
         std::holds_alternative<tui::RunAndTell>(errand);
}

}  // namespace

bool ControllerFeed::stopping() {
  return stopping_;
}

void ControllerFeed::start(Post post) {
  post_ = std::move(post);
  watcher_ = std::thread([this] { watch_until_stopped(); });
  const auto run = [this](const tui::Command& errand) { run_errand(errand); };
  errands_ = std::make_unique<Errands>(run);
  slow_errands_ = std::make_unique<Errands>(run);
}

void ControllerFeed::watch_until_stopped() {
  WatchWish wish{.all = all_, .loads = true};
  while (!stopping()) {
    std::shared_ptr<WatchStream> stream = controller_.watch(wish);
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) stream->cancel();
      watch_ = stream;
    }
    while (const auto news = stream->read()) {
      wish.epoch = news->epoch;
      wish.sequence = news->sequence;
      post_(pushed_of(*news));
    }
    const Status ended = stream->finish();
    if (stopping()) return;
    post_(tui::ConnectionLost{ended ? "the controller ended the call; asking again"
                                    : ended.error().message});
    if (!controller_.wait_connected(kRetryPause)) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kRetryPause, [this] { return stopping_.load(); });
  }
}

// A question that fails is not told of: the watch does that, and the next tick asks again.
void ControllerFeed::run_errand(const tui::Command& errand) {
  if (const auto* fetch = std::get_if<tui::FetchJob>(&errand)) {
    if (const auto job = controller_.get_job(fetch->job)) post_(tui::JobFetched{row_of(*job)});
  } else if (const auto* of = std::get_if<tui::FetchSeries>(&errand)) {
    const auto series = controller_.read_series({.job = of->job});
    if (series && !series->empty()) post_(tui::SeriesFetched{of->job, series->front()});
  } else if (const auto* nodes = std::get_if<tui::FetchNodeSeries>(&errand)) {
    const auto series = controller_.read_series({.days = nodes->days});
    if (series) post_(tui::NodeSeriesFetched{nodes->days, *series});
  } else if (std::holds_alternative<tui::FetchQueue>(errand)) {
    if (const auto queue = controller_.read_queue(kQueueShown)) post_(queue_of(*queue));
  } else if (std::holds_alternative<tui::FetchVolumes>(errand)) {
    const auto volumes = controller_.list_volumes();
    tui::VolumesFetched out;
    if (!volumes) out.failure = volumes.error().message;
    for (const VolumeRecord& one : volumes ? *volumes : std::vector<VolumeRecord>()) {
      out.rows.push_back(row_of(one));
    }
    post_(std::move(out));
  } else if (const auto* snapshots = std::get_if<tui::FetchSnapshots>(&errand)) {
    const auto found = controller_.list_snapshots(snapshots->volume);
    tui::SnapshotsFetched out{snapshots->volume, {}, found ? "" : found.error().message};
    if (found) {
      for (const SnapshotRecord& one : *found) out.rows.push_back(row_of(one));
    }
    std::ranges::sort(out.rows, std::greater(), &tui::SnapshotRow::number);
    post_(std::move(out));
  } else if (const auto* cancel = std::get_if<tui::CancelJob>(&errand)) {
    const std::string name = to_string(cancel->task);
    const auto before = controller_.cancel(cancel->task, 0);
    post_(
        before
            ? tui::Answered{fmt::format("job {} is being cancelled", name), false, cancel->task}
            : tui::Answered{
                  fmt::format("job {} was not cancelled: {}", name, before.error().message), true});
  } else if (const auto* run = std::get_if<tui::RunAndTell>(&errand)) {
    std::string last;
    const auto status =
        run_own(run->words, stopping_, [&](std::string_view line) { last = std::string(line); });
    const bool done = status && *status == 0;
    if (done && !run->words.empty() && run->words.front() == "rerun") {
      last = fmt::format("job {} runs again as job {}", run->words.back(), last);
    }
    post_(tui::Answered{status ? last : status.error().message, !done});
  }
}

void ControllerFeed::perform(const tui::Command& command) {
  if (const auto* open = std::get_if<tui::OpenLog>(&command)) {
    open_log(*open);
  } else if (std::holds_alternative<tui::CloseLog>(command)) {
    close_log();
  } else if (const auto* run = std::get_if<tui::RunForText>(&command)) {
    run_for_text(*run);
  } else {
    (is_slow(command) ? *slow_errands_ : *errands_).add(command);
  }
}

void ControllerFeed::open_log(const tui::OpenLog& wish) {
  close_log();
  const std::scoped_lock lock(mutex_);
  forget_ended();
  readings_.push_back(std::make_unique<LogReader>(controller_, wish, post_));
}

// Those whose threads are past their last post; they end at once.
void ControllerFeed::forget_ended() {
  std::erase_if(readings_, [](const auto& reading) { return reading->over(); });
  std::erase_if(runs_, [](const auto& run) {
    if (run->over) run->thread.join();
    return run->over.load();
  });
}

// Not joined here: the reader may be waiting for the very thread that calls this to take its events.
void ControllerFeed::close_log() {
  const std::scoped_lock lock(mutex_);
  if (!readings_.empty()) readings_.back()->stop();
}

void ControllerFeed::run_for_text(const tui::RunForText& wish) {
  auto run = std::make_unique<Running>();
  Running* const mine = run.get();
  const std::scoped_lock lock(mutex_);
  forget_ended();
  if (!runs_.empty()) runs_.back()->stop = true;
  run->thread = std::thread([this, mine, wish] {
    std::string piece;
    const auto status = run_own(wish.words, mine->stop, [&](std::string_view line) {
      piece.append(line).append("\n");
      if (piece.size() < kTextPieceBytes) return;
      post_(tui::TextFetched{wish.number, std::exchange(piece, {}), false, 0});
    });
    if (!status && !mine->stop) piece += status.error().message + "\n";
    post_(tui::TextFetched{wish.number, piece, true, status ? *status : 125});
    mine->over = true;
  });
  runs_.push_back(std::move(run));
}

void ControllerFeed::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (watch_) watch_->cancel();
    for (const auto& reading : readings_) reading->stop();
    for (const auto& run : runs_) run->stop = true;
    changed_.notify_all();
  }
  controller_.cancel_calls();  // whatever is under way: nobody waits for its answer any more
  if (watcher_.joinable()) watcher_.join();
  if (errands_) errands_->stop();
  if (slow_errands_) slow_errands_->stop();
  readings_.clear();
  for (const auto& run : runs_) {
    if (run->thread.joinable()) run->thread.join();
  }
}

}  // namespace devrun::cli
