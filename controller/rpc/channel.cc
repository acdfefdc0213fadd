#include "controller/rpc/channel.h"

#include <algorithm>
#include <utility>

namespace devrun::controller {

namespace {
constexpr size_t kCrumbsBytesMax = 64 << 10;
}

Channel::Channel(AttemptKey key, std::string output_path)
    : key_(key), output_(std::move(output_path)) {}

void Channel::wake(const Ends& ends) {
  for (const auto& end : ends) end->moved();
}

void Channel::wake_agent() {
  std::shared_ptr<StreamEnd> agent;
  {
    const std::lock_guard lock(mutex_);
    agent = agent_.lock();
  }
  if (agent) agent->moved();
}

void Channel::wake_writer() {
  std::shared_ptr<StreamEnd> writer;
  {
    const std::lock_guard lock(mutex_);
    writer = writer_.lock();
  }
  if (writer) writer->moved();
}

Channel::Ends Channel::watchers_locked() {
  Ends ends;
  for (size_t i = 0; i < watchers_.size();) {
    if (auto end = watchers_[i].lock()) {
      ends.push_back(std::move(end));
      ++i;
    } else {
      watchers_[i] = std::move(watchers_.back());
      watchers_.pop_back();
    }
  }
  return ends;
}

// ── output ──

Result<uint64_t> Channel::append_output(uint64_t offset, std::string_view data) {
  const uint64_t length = TRY(output_.append(offset, data));
  Ends ends;
  std::function<void()> stored;
  {
    const std::lock_guard lock(mutex_);
    ends = watchers_locked();
    if (stored_ && length >= expected_bytes_) stored = std::exchange(stored_, {});
  }
  wake(ends);
  if (stored) stored();
  return length;
}

Status Channel::watch(std::weak_ptr<StreamEnd> watcher) {
  const std::lock_guard lock(mutex_);
  if (watchers_locked().size() >= kWatchersMax) {
    return Error{Code::kExhausted, "too many programs watch job " + to_string(key_),
                 "close some of them"};
  }
  watchers_.push_back(std::move(watcher));
  return ok();
}

void Channel::when_output_reaches(uint64_t bytes, std::function<void()> stored) {
  {
    const std::lock_guard lock(mutex_);
    expected_bytes_ = bytes;
    stored_ = {};
    if (output_.length() < bytes) {
      stored_ = std::move(stored);
      return;
    }
  }
  stored();
}

// ── stdin: the writer's side ──

void Channel::set_writer(const std::shared_ptr<StreamEnd>& writer) {
  const std::lock_guard lock(mutex_);
  writer_ = writer;
}

Status Channel::put_stdin(uint64_t offset, std::string data, bool eof) {
  {
    std::unique_lock lock(mutex_);
    if (const std::shared_ptr<Channel> heir = heir_) {
      lock.unlock();
      return heir->put_stdin(offset, std::move(data), eof);
    }
    // The program reads no more, and the writer has not heard it yet: what is on its way counts for nothing.
    if (closed_) return ok();
    if (!base_) base_ = offset;  // after a restart of the controller the writer knows better
    const uint64_t end = *base_ + held_;
    if (offset > end) {
      return Error{Code::kInvalid, "stdin has a gap: it goes on beyond what was sent", {}};
    }
    data.erase(0, std::min<uint64_t>(end - offset, data.size()));  // sent again
    if (held_ + data.size() > kStdinBytesMax) {
      return Error{Code::kExhausted, "more stdin was sent than the program has asked for", {}};
    }
    if (eof_ && !data.empty()) return Error{Code::kInvalid, "stdin goes on after its end", {}};
    if (!data.empty()) {
      held_ += data.size();
      keep(std::move(data));
    }
    eof_ = eof_ || eof;
  }
  wake_agent();
  return ok();
}

// What is typed comes in crumbs: they are put together, so that there are few pieces.
void Channel::keep(std::string data) {
  if (pieces_.empty() || pieces_.back().size() + data.size() > kCrumbsBytesMax) {
    pieces_.push_back(std::move(data));
  } else {
    pieces_.back() += data;
  }
}

Channel::StdinState Channel::stdin_state() {
  const std::lock_guard lock(mutex_);
  return {base_, closed_};
}

void Channel::stdin_begins() {
  const std::lock_guard lock(mutex_);
  if (!base_) base_ = 0;
}

void Channel::hand_on(const std::shared_ptr<Channel>& next) {
  {
    const std::scoped_lock lock(mutex_, next->mutex_);
    if (heir_) return;
    if (resize_ && !next->resize_) next->resize_ = std::exchange(resize_, {});
    next->signals_.insert(next->signals_.begin(), signals_.begin(), signals_.end());
    signals_.clear();
    // What somebody else has sent to it already is not to be mixed with this.
    if (closed_ || next->held_ != 0 || next->base_.value_or(0) > base_.value_or(0)) return;
    heir_ = next;
    if (base_) next->base_ = base_;
    next->pieces_ = std::exchange(pieces_, {});
    next->held_ = std::exchange(held_, 0);
    next->skip_ = std::exchange(skip_, 0);
    next->eof_ = eof_;
  }
  next->wake_agent();
}

bool Channel::agent_is_connected() {
  const std::lock_guard lock(mutex_);
  return !agent_.expired();
}

// ── stdin and the rest: the agent's side ──

void Channel::connect_agent(const std::shared_ptr<StreamEnd>& agent) {
  const std::lock_guard lock(mutex_);
  agent_ = agent;
}

std::optional<Channel::StdinPiece> Channel::next_stdin(uint64_t sent, bool eof_sent) {
  const std::lock_guard lock(mutex_);
  if (!base_ || closed_) return std::nullopt;
  const uint64_t end = *base_ + held_;
  StdinPiece piece;
  piece.offset = std::clamp(sent, *base_, end);
  size_t at = skip_ + static_cast<size_t>(piece.offset - *base_);
  for (const std::string& held : pieces_) {
    if (at < held.size()) {
      piece.data = held.substr(at, kChunkBytesMax);
      break;
    }
    at -= held.size();
  }
  piece.eof = eof_ && piece.offset + piece.data.size() == end;
  if (piece.data.empty() && (!piece.eof || eof_sent)) return std::nullopt;
  return piece;
}

void Channel::stdin_taken(uint64_t offset) {
  {
    const std::lock_guard lock(mutex_);
    if (!base_) base_ = offset;
    if (offset < *base_) return;
    const size_t taken = std::min<uint64_t>(offset - *base_, held_);
    held_ -= taken;
    skip_ += taken;
    base_ = offset;
    while (!pieces_.empty() && skip_ >= pieces_.front().size()) {
      skip_ -= pieces_.front().size();
      pieces_.pop_front();
    }
  }
  wake_writer();
}

void Channel::stdin_closed() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    pieces_.clear();
    held_ = skip_ = 0;
  }
  wake_writer();
}

// ── from watchers to the agent ──

void Channel::resize(TerminalSize size) {
  {
    const std::lock_guard lock(mutex_);
    resize_ = size;
  }
  wake_agent();
}

Status Channel::signal(int32_t number) {
  {
    const std::lock_guard lock(mutex_);
    if (signals_.size() >= kSignalsMax) {
      return Error{Code::kExhausted, "too many signals wait for job " + to_string(key_),
                   "devrun cancel " + to_string(key_)};
    }
    signals_.push_back(number);
  }
  wake_agent();
  return ok();
}

std::optional<TerminalSize> Channel::take_resize() {
  const std::lock_guard lock(mutex_);
  return std::exchange(resize_, std::nullopt);
}

std::optional<int32_t> Channel::take_signal() {
  const std::lock_guard lock(mutex_);
  if (signals_.empty()) return std::nullopt;
  const int32_t number = signals_.front();
  signals_.pop_front();
  return number;
}

}  // namespace devrun::controller
