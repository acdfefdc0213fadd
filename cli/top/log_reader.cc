#include "cli/top/log_reader.h"

#include <fmt/format.h>

#include <chrono>

namespace devrun::cli {

namespace {

// Short, since it stands beside what the monitor itself says of the connection.
constexpr const char* kGoesOn = "goes on when the controller is back";
constexpr auto kRetryPause = std::chrono::milliseconds(250);

bool is_transient(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kTimeout ||
         error.code == Code::kCancelled || error.code == Code::kInternal;
}

}  // namespace

LogReader::LogReader(Controller& controller, const tui::OpenLog& wish,
                     std::function<void(tui::Event)> post)
    : controller_(controller),
      wish_(wish),
      post_(std::move(post)),
      next_(wish.from),
      thread_([this] { run(); }) {}

LogReader::~LogReader() {
  thread_.join();
}

void LogReader::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  if (stream_) stream_->cancel();
  changed_.notify_all();
}

void LogReader::run() {
  while (read_once() == How::kBroke) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kRetryPause, [this] { return stopping_; })) break;
  }
  over_ = true;
}

// Null: we are to stop, or there is no connection yet. A call on a broken connection would fail at once, and one on a new
// one hold us up until that is made.
std::shared_ptr<AttachStream> LogReader::open() {
  if (!controller_.wait_connected(kRetryPause)) return nullptr;
  AttachStart start{wish_.of, next_, false};
  start.attempt = wish_.of.attempt;
  std::shared_ptr<AttachStream> stream = controller_.attach(start);
  const std::lock_guard lock(mutex_);
  if (stopping_) stream->cancel();
  stream_ = stream;
  return stream;
}

LogReader::How LogReader::read_once() {
  const std::shared_ptr<AttachStream> stream = open();
  if (!stream) {
    fail(kGoesOn);
    return How::kBroke;
  }
  bool more = true;
  while (auto news = stream->read()) {
    if (more) more = take(std::move(*news), *stream);
  }
  const Status ended = stream->finish();
  {
    const std::lock_guard lock(mutex_);
    stream_.reset();
    if (stopping_) return How::kEnded;
  }
  if (!more || ended) return How::kEnded;
  if (!is_transient(ended.error())) {
    fail(ended.error().message);
    return How::kEnded;
  }
  fail(kGoesOn);
  return How::kBroke;
}

bool LogReader::take(AttachNews&& news, AttachStream& stream) {
  if (std::exchange(told_away_, false)) post_(tui::LogBytes{wish_.of, "", false, wish_.reading});
  if (auto* output = std::get_if<AttachOutput>(&news)) {
    if (output->offset > next_) {
      fail(fmt::format("the output goes on at byte {} after byte {}", output->offset, next_));
      stream.cancel();
      return false;
    }
    const uint64_t end = output->offset + output->bytes.size();
    output->bytes.erase(0, std::min<uint64_t>(next_ - output->offset, output->bytes.size()));
    next_ = std::max(next_, end);
    const bool all_here = wish_.upto != 0 && next_ >= wish_.upto;
    if (all_here) {
      const uint64_t more = next_ - wish_.upto;
      output->bytes.erase(output->bytes.size() - std::min<uint64_t>(more, output->bytes.size()));
    }
    post_(tui::LogBytes{wish_.of, std::move(output->bytes), false, wish_.reading, all_here});
    if (all_here) {
      stream.cancel();
    } else {
      stream.send_output_read(next_);
    }
    return !all_here;
  }
  const auto* state = std::get_if<AttachState>(&news);
  if (state != nullptr && state->attempt > wish_.of.attempt) {
    post_(tui::LogBytes{wish_.of, "", true, wish_.reading});
    post_(tui::Answered{fmt::format("attempt {} has begun: ] shows it", state->attempt), false});
    stream.cancel();
    return false;
  }
  if (!std::holds_alternative<AttachEnd>(news)) return true;
  post_(tui::LogBytes{wish_.of, "", true, wish_.reading});
  return false;
}

// Once for each break.
void LogReader::fail(const std::string& why) {
  if (std::exchange(told_away_, true)) return;
  post_(tui::LogFailed{wish_.of, why});
}

}  // namespace devrun::cli
