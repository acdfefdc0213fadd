// The shim and the program's streams: reading output, feeding stdin, a disk that is full. Part of shim_loop.h.
#include <unistd.h>

#include <cerrno>

#include "agent/shim/shim_loop.h"

namespace devrun::shim {

namespace {
constexpr int kReadsPerTurn = 8;
}

void Shim::on_output(UniqueFd& fd, Stream stream) {
  for (int i = 0; fd && !log_.blocked() && !held_back_ && i < kReadsPerTurn; ++i) {
    const ssize_t n = ::read(fd.get(), buffer_.get(), kRecordBytesMax);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {  // a pty's end is EIO
      fd.reset();
      if (stream == Stream::kStdout && options_.launch.order.tty) stdin_.close();
      return;
    }
    const Time now = wall_clock();
    last_output_at_ = Clock::now();
    if (state_.first_byte.us == 0) {
      state_.first_byte = now;
      state_news_ = true;
    }
    log_.append(stream, {buffer_.get(), static_cast<size_t>(n)}, now);
    hold_back();
    if (log_.blocked() || held_back_) watch_streams(false);
    if (static_cast<size_t>(n) < kRecordBytesMax / 2) return;  // most likely all there was
  }
}

// A program that has ended is waited for by nobody: what it left in its pipe is taken.
void Shim::hold_back() {
  if (!is_session() || (!held_back_ && log_.bytes() < next_unread_look_)) return;
  const uint64_t most = held_back_ ? kUnreadBytesMax / 2 : kUnreadBytesMax;
  held_back_ = !ending_ && log_.kept_bytes() > most && log_.can_give_back();
  next_unread_look_ = log_.bytes() + kUnreadLookEvery;
}

// While the disk is full nothing is read, and the program waits in its write.
void Shim::watch_streams(bool on) {
  if (on == streams_watched_) return;
  streams_watched_ = on;
  const uint32_t out = stdin_wants_write_ ? static_cast<uint32_t>(EPOLLOUT) : 0;
  const auto set = [&](const UniqueFd& fd, Tag tag, uint32_t events) {
    if (!fd) return;
    // Taken out whole: a hang-up is told whatever one asks for.
    if (on) watch(fd.get(), tag, events);
    if (!on) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  };
  set(launched_.out, kOut, EPOLLIN);
  set(launched_.err, kErr, EPOLLIN);
  set(master_, kMaster, EPOLLIN | out);
}

void Shim::watch_stdin() {
  if (stdin_.fd() < 0) return;
  const bool wanted = stdin_.wants_to_write();
  if (wanted == stdin_wants_write_) return;
  stdin_wants_write_ = wanted;
  const uint32_t out = wanted ? static_cast<uint32_t>(EPOLLOUT) : 0;
  if (options_.launch.order.tty) {
    if (master_ && streams_watched_) watch(master_.get(), kMaster, EPOLLIN | out, EPOLL_CTL_MOD);
  } else {
    watch(stdin_.fd(), kIn, out, EPOLL_CTL_MOD);
  }
}

}  // namespace devrun::shim
