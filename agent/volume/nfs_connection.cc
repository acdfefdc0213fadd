#include "agent/volume/nfs_connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/volume/libnfs_headers.h"
#include "common/base/log.h"

namespace devrun::volume {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{20};
constexpr milliseconds kTick{1'000};
constexpr int kRefusalsMax = 5;
// libnfs says this of calls that its connection took with it; other errors are the server's words.
constexpr std::string_view kConnectionLost = "RPC ERROR";

// libnfs keeps the next source port in a static variable.
std::mutex& connect_mutex() {
  static std::mutex mutex;
  return mutex;
}

enum class Connecting { kTrying, kConnected, kFailed };

void on_connected(rpc_context*, int status, void*, void* state) {
  *static_cast<Connecting*>(state) =
      status == RPC_STATUS_SUCCESS ? Connecting::kConnected : Connecting::kFailed;
}

std::string error_of(rpc_context* rpc) {
  const char* words = rpc_get_error(rpc);
  return words == nullptr ? "connection closed" : words;
}

}  // namespace

void NfsConnection::DestroyContext::operator()(rpc_context* rpc) const {
  rpc_destroy_context(rpc);
}

Result<std::unique_ptr<NfsConnection>> NfsConnection::open(NfsAddress address, Options options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return errno_error("eventfd", errno);
  return std::unique_ptr<NfsConnection>(
      new NfsConnection(std::move(address), options, std::move(wake)));
}

NfsConnection::NfsConnection(NfsAddress address, Options options, UniqueFd wake)
    : address_(std::move(address)),
      options_(options),
      wake_(std::move(wake)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

NfsConnection::~NfsConnection() {
  thread_.request_stop();
  wake();
  thread_.join();
}

Result<NfsAnswer> NfsConnection::perform(NfsRequest request, Deadline deadline) {
  const auto call = std::make_shared<Call>();
  call->request = std::move(request);
  std::unique_lock lock(mutex_);
  if (stopped_) return Error{Code::kCancelled, "devrun-fs is ending", {}};
  waiting_.push_back(call);
  wake();
  const auto answered = [&] { return call->answer.has_value(); };
  if (!deadline) {
    call->done.wait(lock, answered);
  } else if (!call->done.wait_until(lock, *deadline, answered)) {
    call->abandoned = true;
    return Error{Code::kUnavailable,
                 fmt::format("the store at {}:{} does not answer: {}", address_.host, address_.port,
                             last_error_),
                 "devrun doctor"};
  }
  return std::move(*call->answer);
}

void NfsConnection::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void NfsConnection::run(const std::stop_token& stop) {
  milliseconds pause_time = kFirstPause;
  away_since_ = Clock::now();
  while (!stop.stop_requested()) {
    if (const Context rpc = connect(stop)) {
      connects_ += 1;
      if (away_told_) log::info("the store at {}:{} is back", address_.host, address_.port);
      away_told_ = false;
      pause_time = kFirstPause;
      serve(stop, rpc.get());
      away_since_ = Clock::now();
    }  // the context goes, and on_reply puts what was under way back into the queue
    tell_if_away();
    pause(stop, pause_time);
    pause_time = std::min(2 * pause_time, options_.pause_max);
  }
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& call : waiting_) {
    call->answer = Error{Code::kCancelled, "devrun-fs is ending", {}};
    call->done.notify_one();
  }
  waiting_.clear();
}

NfsConnection::Context NfsConnection::connect(const std::stop_token& stop) {
  Context rpc(rpc_init_context());
  if (!rpc) return nullptr;
  auto state = Connecting::kTrying;
  {
    const std::lock_guard one(connect_mutex());
    if (rpc_connect_async(rpc.get(), address_.host.c_str(), address_.port, on_connected, &state) !=
        0) {
      lost(error_of(rpc.get()));
      return nullptr;
    }
  }
  const auto end = Clock::now() + options_.connect_time_max;
  while (state == Connecting::kTrying && !stop.stop_requested()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left <= milliseconds{0}) {
      lost("connecting takes too long");
      return nullptr;
    }
    if (!wait_and_service(rpc.get(), left)) return nullptr;
  }
  if (state != Connecting::kConnected) return nullptr;
  const int yes = 1;
  ::setsockopt(rpc_get_fd(rpc.get()), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return rpc;
}

void NfsConnection::serve(const std::stop_token& stop, rpc_context* rpc) {
  progress_ = Clock::now();
  while (!stop.stop_requested()) {
    if (!send_waiting(rpc)) return;
    if (!wait_and_service(rpc, in_flight_ > 0 ? kTick : milliseconds{-1})) return;
    if (in_flight_ > 0 && Clock::now() - progress_ > options_.silence_max) {
      lost("no answer for a long time");
      return;
    }
  }
}

bool NfsConnection::send_waiting(rpc_context* rpc) {
  bool sent_any = false;
  while (in_flight_ < options_.in_flight_max) {
    std::shared_ptr<Call> call;
    {
      const std::lock_guard lock(mutex_);
      while (!waiting_.empty() && waiting_.front()->abandoned) waiting_.pop_front();
      if (waiting_.empty()) break;
      call = std::move(waiting_.front());
      waiting_.pop_front();
    }
    auto sent = std::make_unique<Sent>(Sent{this, call});
    if (!send_compound(rpc, call->request, on_reply, sent.get())) {
      finish(call, Error{Code::kExhausted, "libnfs takes no call", {}});
      continue;
    }
    sent.release();  // on_reply takes it back
    calls_ += 1;
    if (in_flight_++ == 0) progress_ = Clock::now();
    sent_any = true;
  }
  if (!sent_any) return true;
  // At once rather than after a poll.
  if (rpc_service(rpc, POLLOUT) == 0) return true;
  lost(error_of(rpc));
  return false;
}

bool NfsConnection::wait_and_service(rpc_context* rpc, milliseconds time_max) {
  pollfd polled[2] = {{wake_.get(), POLLIN, 0},
                      {rpc_get_fd(rpc), static_cast<short>(rpc_which_events(rpc)), 0}};
  const int ready = ::poll(polled, 2, static_cast<int>(time_max.count()));
  if (ready < 0 && errno != EINTR) {
    lost("poll failed");
    return false;
  }
  if (ready <= 0) return true;
  if (polled[0].revents != 0) {
    uint64_t times = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &times, sizeof times);
  }
  if (polled[1].revents == 0 || rpc_service(rpc, polled[1].revents) == 0) return true;
  lost(error_of(rpc));
  return false;
}

void NfsConnection::on_reply(rpc_context*, int status, void* data, void* private_data) {
  const std::unique_ptr<Sent> sent(static_cast<Sent*>(private_data));
  NfsConnection& self = *sent->connection;
  self.in_flight_ -= 1;
  self.progress_ = Clock::now();
  if (status == RPC_STATUS_SUCCESS) {
    self.finish(sent->call, read_compound(*static_cast<const COMPOUND4res*>(data)));
    return;
  }
  const std::string words =
      status == RPC_STATUS_ERROR && data != nullptr ? static_cast<const char*>(data) : "";
  const bool refused = !words.empty() && !words.starts_with(kConnectionLost);
  if (refused && ++sent->call->refusals >= kRefusalsMax) {
    self.finish(sent->call, Error{Code::kIo, "the store refuses a call: " + words, {}});
    return;
  }
  const std::lock_guard lock(self.mutex_);
  self.waiting_.push_front(sent->call);
}

void NfsConnection::finish(const std::shared_ptr<Call>& call, Result<NfsAnswer> answer) {
  const std::lock_guard lock(mutex_);
  call->answer = std::move(answer);
  call->done.notify_one();
}

void NfsConnection::lost(std::string why) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(why);
}

void NfsConnection::pause(const std::stop_token& stop, milliseconds time) {
  std::unique_lock lock(mutex_);
  stopping_.wait_for(lock, stop, time, [] { return false; });
}

void NfsConnection::tell_if_away() {
  if (away_told_ || Clock::now() - away_since_ < options_.away_until_told) return;
  const std::lock_guard lock(mutex_);
  const bool awaited = std::any_of(waiting_.begin(), waiting_.end(),
                                   [](const auto& call) { return !call->abandoned; });
  if (!awaited) return;
  away_told_ = true;
  log::warning("the store at {}:{} is away ({}); {} readers wait for it", address_.host,
               address_.port, last_error_, waiting_.size());
}

}  // namespace devrun::volume
