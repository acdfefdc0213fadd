#include "agent/shim/shim_link.h"

#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "agent/shim/shim_wire.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/unix_socket.h"

namespace devrun::shim {

namespace {

class SocketLink final : public ShimLink {
 public:
  SocketLink(UniqueFd socket, Handlers handlers)
      : socket_(std::move(socket)), handlers_(std::move(handlers)), reader_([this] { read(); }) {}

  ~SocketLink() override {
    closing_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);
    reader_.join();
  }

  Status write_stdin(uint64_t offset, std::string data, bool eof) override {
    return send(StdinData{offset, std::move(data), eof});
  }
  Status resize(TerminalSize size) override { return send(size); }
  Status signal(int signal) override { return send(SignalOrder{signal, false}); }
  Status go() override { return send(GoOrder{}); }
  Status first_rank_ended() override { return send(FirstRankEndedOrder{}); }
  Status renew_lease(Time until) override { return send(LeaseOrder{until}); }
  Status kill_all() override { return send(SignalOrder{9, true}); }

 private:
  Status send(Request request) {
    const std::string frame = encode(std::move(request));
    const std::lock_guard lock(writing_);
    return send_frame(socket_.get(), frame);
  }

  void read() {
    for (;;) {
      Result<Frame> frame = receive_frame(socket_.get());
      if (!frame) break;
      Result<News> news = parse_news(frame->payload);
      if (!news) {
        log::error("{}", news.error().message);
        break;
      }
      tell(*news);
    }
    if (!closing_ && handlers_.gone) handlers_.gone();
  }

  void tell(const News& news) {
    if (const auto* state = std::get_if<ShimState>(&news); state && handlers_.state) {
      handlers_.state(*state);
    } else if (const auto* grew = std::get_if<OutputGrew>(&news); grew && handlers_.output_grew) {
      handlers_.output_grew(grew->bytes);
    } else if (const auto* taken = std::get_if<StdinTaken>(&news); taken && handlers_.stdin_taken) {
      handlers_.stdin_taken(taken->offset);
    } else if (std::holds_alternative<StdinClosed>(news) && handlers_.stdin_closed) {
      handlers_.stdin_closed();
    }
  }

  UniqueFd socket_;
  Handlers handlers_;
  std::mutex writing_;
  std::atomic<bool> closing_ = false;
  std::thread reader_;  // last: it uses the rest
};

}  // namespace

Result<std::unique_ptr<ShimLink>> ShimLink::connect(const std::string& attempt_folder,
                                                    Handlers handlers) {
  UniqueFd socket = TRY(connect_unix(attempt_folder + "/shim.sock"));
  TRY(send_frame(socket.get(), encode(Request{Peer{"devrun-agent", std::string(kVersion)}})));
  return std::unique_ptr<ShimLink>(
      std::make_unique<SocketLink>(std::move(socket), std::move(handlers)));
}

}  // namespace devrun::shim
