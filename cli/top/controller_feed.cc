#include "cli/top/controller_feed.h"

#include <fmt/format.h>

#include <chrono>

#include "cli/top/own_program.h"
#include "cli/top/rows.h"

namespace devrun::cli {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(250);
constexpr size_t kErrandsMax = 1024;
constexpr uint32_t kQueueShown = 500;
constexpr size_t kTextPieceBytes = 32 << 10;

// What may be left out if the same waits already.
bool same_question(const tui::Command& a, const tui::Command& b) {
  if (a.index() != b.index()) return false;
  if (const auto* job = std::get_if<tui::FetchJob>(&a)) {
    return job->job == std::get<tui::FetchJob>(b).job;
  }
  if (const auto* series = std::get_if<tui::FetchSeries>(&a)) {
    return series->job == std::get<tui::FetchSeries>(b).job;
  }
  if (const auto* nodes = std::get_if<tui::FetchNodeSeries>(&a)) {
    return nodes->days == std::get<tui::FetchNodeSeries>(b).days;
  }
  return std::holds_alternative<tui::FetchQueue>(a) || std::holds_alternative<tui::FetchVolumes>(a);
}

}  // namespace

bool ControllerFeed::stopping() {
  return stopping_;
}

void ControllerFeed::start(Post post) {
  post_ = std::move(post);
  watcher_ = std::thread([this] { watch_until_stopped(); });
  errands_ = std::thread([this] { run_errands(); });
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

void ControllerFeed::run_errands() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !errands_waiting_.empty(); });
    if (stopping_) return;
    const tui::Command errand = std::move(errands_waiting_.front());
    errands_waiting_.pop_front();
    lock.unlock();
    run_errand(errand);
    lock.lock();
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
    post_(before ? tui::Answered{fmt::format("job {} is being cancelled", name), false}
                 : tui::Answered{
                       fmt::format("job {} was not cancelled: {}", name, before.error().message),
                       true});
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

void ControllerFeed::add_errand(const tui::Command& errand) {
  const std::scoped_lock lock(mutex_);
  const auto same = [&](const tui::Command& other) { return same_question(errand, other); };
  if (errands_waiting_.size() >= kErrandsMax || std::ranges::any_of(errands_waiting_, same)) return;
  // Nobody who cancels waits for a list of volumes.
  if (std::holds_alternative<tui::CancelJob>(errand)) {
    errands_waiting_.push_front(errand);
  } else {
    errands_waiting_.push_back(errand);
  }
  changed_.notify_all();
}

void ControllerFeed::perform(const tui::Command& command) {
  if (const auto* open = std::get_if<tui::OpenLog>(&command)) {
    open_log(open->of);
  } else if (std::holds_alternative<tui::CloseLog>(command)) {
    close_log();
  } else if (const auto* run = std::get_if<tui::RunForText>(&command)) {
    run_for_text(*run);
  } else {
    add_errand(command);
  }
}

void ControllerFeed::open_log(const AttemptKey& of) {
  close_log();
  auto reading = std::make_unique<Reading>();
  reading->of = of;
  AttachStart start{of, 0, false};
  start.attempt = of.attempt;
  reading->stream = controller_.attach(start);
  Reading* const mine = reading.get();
  reading->thread = std::thread([this, mine] {
    while (auto news = mine->stream->read()) {
      if (auto* output = std::get_if<AttachOutput>(&*news)) {
        const uint64_t read = output->offset + output->bytes.size();
        post_(tui::LogBytes{mine->of, std::move(output->bytes), false});
        mine->stream->send_output_read(read);
      }
      const auto* state = std::get_if<AttachState>(&*news);
      if (state != nullptr && state->attempt > mine->of.attempt) {
        post_(tui::LogBytes{mine->of, "", true});
        post_(
            tui::Answered{fmt::format("attempt {} has begun: ] shows it", state->attempt), false});
        mine->stream->cancel();
        break;
      }
      if (std::holds_alternative<AttachEnd>(*news)) post_(tui::LogBytes{mine->of, "", true});
    }
    const Status ended = mine->stream->finish();
    if (!ended && ended.error().code != Code::kCancelled) {
      post_(tui::LogFailed{mine->of, ended.error().message});
    }
    mine->over = true;
  });
  const std::scoped_lock lock(mutex_);
  forget_ended();
  readings_.push_back(std::move(reading));
}

// Those whose threads are past their last post; they end at once.
void ControllerFeed::forget_ended() {
  const auto join_if_over = [](auto& one) {
    if (!one->over) return false;
    one->thread.join();
    return true;
  };
  std::erase_if(readings_, join_if_over);
  std::erase_if(runs_, join_if_over);
}

// Not joined here: the reader may be waiting for the very thread that calls this to take its events.
void ControllerFeed::close_log() {
  const std::scoped_lock lock(mutex_);
  if (!readings_.empty()) readings_.back()->stream->cancel();
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
    for (const auto& reading : readings_) reading->stream->cancel();
    for (const auto& run : runs_) run->stop = true;
    changed_.notify_all();
  }
  if (watcher_.joinable()) watcher_.join();
  if (errands_.joinable()) errands_.join();
  for (const auto& reading : readings_) {
    if (reading->thread.joinable()) reading->thread.join();
  }
  for (const auto& run : runs_) {
    if (run->thread.joinable()) run->thread.join();
  }
}

}  // namespace devrun::cli
