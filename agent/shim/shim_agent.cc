// The shim and its agent: connections, requests, news. Part of shim_loop.h.
#include <sys/ioctl.h>
#include <termios.h>

#include "agent/shim/shim_loop.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/unix_socket.h"

namespace devrun::shim {

void Shim::on_accept() {
  Result<UniqueFd> socket = accept_unix(listener_.get());
  if (!socket) {
    log::warning("{}", socket.error().message);
    return;
  }
  drop_agent();
  agent_.emplace(std::move(*socket));
  watch(agent_->fd(), kAgent, EPOLLIN);
}

// To the shim of a session, which is as much root's as we are: see launch_session.
void Shim::lend_control() {
  Result<UniqueFd> socket = accept_unix(lender_.get());
  if (!socket || ending_) return;
  if (Status lent = send_frame(socket->get(), "control", launched_.control.get()); !lent) {
    log::warning("{}", lent.error().message);
  }
}

void Shim::drop_agent() {
  agent_.reset();
  agent_greeted_ = false;
  agent_wants_write_ = false;
}

void Shim::on_agent(uint32_t events) {
  if (!agent_) return;
  Status went = ok();
  if ((events & EPOLLOUT) != 0) went = agent_->flush();
  if (went && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    went = agent_->receive([this](Request&& request) { return on_request(std::move(request)); });
  }
  if (went) return;
  if (went.error().code != Code::kUnavailable) log::warning("{}", went.error().message);
  drop_agent();
}

Status Shim::on_request(Request&& request) {
  if (std::holds_alternative<Peer>(request)) {
    agent_greeted_ = true;
    state_news_ = true;
    closed_news_ = stdin_.closed();
    return agent_->send(Peer{"devrun-shim", std::string(kVersion)});
  }
  if (auto* data = std::get_if<StdinData>(&request)) {
    TRY(stdin_.accept(data->offset, std::move(data->data), data->eof));
    stdin_.flush();
    if (stdin_.closed()) closed_news_ = true;
    watch_stdin();
  } else if (const auto* size = std::get_if<TerminalSize>(&request)) {
    resize(*size);
  } else if (const auto* order = std::get_if<SignalOrder>(&request)) {
    if (order->whole) {
      kill_container();
    } else {
      order_init(order->signal);
    }
  } else if (std::holds_alternative<GoOrder>(request)) {
    if (state_.setup_done && !go_asked_) order_init(kOrderGo);
    go_asked_ = true;
  } else if (std::holds_alternative<FirstRankEndedOrder>(request)) {
    order_init(kOrderFirstRankEnded);
  } else if (const auto* lease = std::get_if<LeaseOrder>(&request)) {
    options_.lease_until = std::max(options_.lease_until, lease->until);
  }
  return ok();
}

// State first, then what grew. Growth from silence is told at once, steady growth once a millisecond.
// A terminal of the size that it had is another one: who attaches anew sees nothing of a full-screen program before that
// draws again, which the signal of a change makes it do.
void Shim::resize(TerminalSize size) {
  if (!master_) return;
  winsize window{};
  window.ws_row = static_cast<unsigned short>(size.rows);
  window.ws_col = static_cast<unsigned short>(size.columns);
  winsize before{};
  const bool same = ::ioctl(master_.get(), TIOCGWINSZ, &before) == 0 &&
                    before.ws_row == window.ws_row && before.ws_col == window.ws_col;
  if (same && state_.first_byte.us != 0 && window.ws_row > 1) {
    winsize other = window;
    --other.ws_row;
    ::ioctl(master_.get(), TIOCSWINSZ, &other);
  }
  ::ioctl(master_.get(), TIOCSWINSZ, &window);
}

void Shim::tell_news() {
  if (!agent_ || !agent_greeted_ || !agent_->idle()) return;
  Status went = ok();
  const auto now = Clock::now();
  if (state_news_) {
    state_.stdin_offset = stdin_.taken();
    state_.output_bytes = log_.bytes();
    went = agent_->send(state_);
    state_news_ = false;
    output_told_ = state_.output_bytes;
    stdin_told_ = state_.stdin_offset;
    told_at_ = now;
  }
  if (went && has_growth() && now - told_at_ >= kNewsInterval) {
    told_at_ = now;
    if (log_.bytes() != output_told_) {
      output_told_ = log_.bytes();
      went = agent_->send(OutputGrew{output_told_});
    }
    if (went && stdin_.taken() != stdin_told_) {
      stdin_told_ = stdin_.taken();
      went = agent_->send(StdinTaken{stdin_told_});
    }
  }
  if (went && closed_news_) {
    closed_news_ = false;
    went = agent_->send(StdinClosed{});
  }
  if (!went) {
    drop_agent();
    return;
  }
  if (agent_wants_write_ == !agent_->idle()) return;
  agent_wants_write_ = !agent_->idle();
  const uint32_t out = agent_wants_write_ ? static_cast<uint32_t>(EPOLLOUT) : 0;
  watch(agent_->fd(), kAgent, EPOLLIN | out, EPOLL_CTL_MOD);
}

}  // namespace devrun::shim
