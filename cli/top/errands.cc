#include "cli/top/errands.h"

#include <algorithm>

namespace devrun::cli {

namespace {

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

Errands::Errands(std::function<void(const tui::Command&)> run)
    : run_(std::move(run)), thread_([this] { run_all(); }) {}

void Errands::add(const tui::Command& errand) {
  const std::scoped_lock lock(mutex_);
  const auto same = [&](const tui::Command& other) { return same_question(errand, other); };
  if (waiting_.size() >= kErrandsMax || std::ranges::any_of(waiting_, same)) return;
  if (!std::holds_alternative<tui::CancelJob>(errand)) {
    waiting_.push_back(errand);
  } else {
    const auto is_question = [](const tui::Command& other) {
      return !std::holds_alternative<tui::CancelJob>(other);
    };
    waiting_.insert(std::ranges::find_if(waiting_, is_question), errand);
  }
  changed_.notify_all();
}

void Errands::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Errands::run_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const tui::Command errand = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    run_(errand);
    lock.lock();
  }
}

}  // namespace devrun::cli
