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
constexpr int kStaleTriesMax = 3;
constexpr milliseconds kBusyPause{100};
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

bool is_stale(int status) {
  return status == NFS4ERR_STALE || status == NFS4ERR_BADHANDLE || status == NFS4ERR_FHEXPIRED;
}

// The server asks for patience.
bool is_busy(int status) {
  return status == NFS4ERR_DELAY || status == NFS4ERR_GRACE || status == NFS4ERR_RESOURCE;
}

std::string error_of(rpc_context* rpc) {
  const char* words = rpc_get_error(rpc);
  return words == nullptr ? "connection closed" : words;
}

}  // namespace

struct NfsConnection::Call {
  NfsRead read;
  Done done;
  Clock::time_point since = Clock::now();
  Clock::time_point not_before{};
  std::atomic<bool> abandoned{false};
  int refusals = 0;
  int stale_tries = 0;
};

void NfsConnection::DestroyContext::operator()(rpc_context* rpc) const {
  rpc_destroy_context(rpc);
}

Result<std::unique_ptr<NfsConnection>> NfsConnection::open(NfsServers& servers, Options options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return errno_error("eventfd", errno);
  return std::unique_ptr<NfsConnection>(new NfsConnection(servers, options, std::move(wake)));
}

NfsConnection::NfsConnection(NfsServers& servers, Options options, UniqueFd wake)
    : servers_(servers),
      options_(options),
      wake_(std::move(wake)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

NfsConnection::~NfsConnection() {
  close();
}

void NfsConnection::close() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  wake();
  thread_.join();
}

NfsConnection::Ticket NfsConnection::start(NfsRead read, Done done) {
  const auto call = std::make_shared<Call>();
  call->read = std::move(read);
  call->done = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      load_ += 1;
      waiting_.push_back(call);
      wake();
      return call;
    }
  }
  call->done(Error{Code::kCancelled, "devrun-fs is ending", {}});
  return call;
}

void NfsConnection::abandon(const Ticket& ticket) {
  ticket->abandoned = true;
}

std::string NfsConnection::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

void NfsConnection::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void NfsConnection::run(const std::stop_token& stop) {
  milliseconds pause_time = kFirstPause;
  progress_ = Clock::now();
  while (!stop.stop_requested()) {
    server_ = servers_.current();
    if (const Context rpc = connect(stop)) {
      connects_ += 1;
      const uint64_t before = calls_;
      serve(stop, rpc.get());
      if (calls_ > before) pause_time = kFirstPause;
    }  // the context goes, and on_reply puts what was under way back into the queue
    if (stop.stop_requested()) break;
    if (server_ != servers_.current()) continue;  // the others have moved on
    tell_if_away();
    servers_.failed(server_);
    pause(stop, pause_time);
    pause_time = std::min(2 * pause_time, options_.pause_max);
  }
  std::deque<Ticket> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(waiting_);
    left.insert(left.end(), delayed_.begin(), delayed_.end());
    delayed_.clear();
  }
  for (const Ticket& call : left) finish(call, Error{Code::kCancelled, "devrun-fs is ending", {}});
}

NfsConnection::Context NfsConnection::connect(const std::stop_token& stop) {
  const NfsAddress& address = servers_.address(server_);
  Context rpc(rpc_init_context());
  if (!rpc) return nullptr;
  auto state = Connecting::kTrying;
  {
    const std::lock_guard one(connect_mutex());
    if (rpc_connect_async(rpc.get(), address.host.c_str(), address.port, on_connected, &state) !=
        0) {
      lost(error_of(rpc.get()));
      return nullptr;
    }
  }
  const auto end = Clock::now() + options_.connect_time_max;
  while (state == Connecting::kTrying && !stop.stop_requested()) {
    tell_if_away();
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left <= milliseconds{0}) {
      lost("connecting takes too long");
      return nullptr;
    }
    if (!wait_and_service(rpc.get(), std::min(left, kTick))) return nullptr;
  }
  if (state != Connecting::kConnected) return nullptr;
  const int yes = 1;
  ::setsockopt(rpc_get_fd(rpc.get()), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return rpc;
}

void NfsConnection::serve(const std::stop_token& stop, rpc_context* rpc) {
  const milliseconds silence_max =
      servers_.count() > 1 ? options_.silence_max_of_several : options_.silence_max;
  progress_ = Clock::now();
  while (!stop.stop_requested()) {
    if (servers_.current() != server_) return;
    if (!send_waiting(rpc)) return;
    if (!wait_and_service(rpc, time_to_wait())) return;
    if (in_flight_ == 0) continue;
    tell_if_away();
    if (Clock::now() - progress_ > silence_max) {
      lost("no answer for a long time");
      return;
    }
  }
}

milliseconds NfsConnection::time_to_wait() {
  const std::lock_guard lock(mutex_);
  if (!delayed_.empty()) return kBusyPause;
  return in_flight_ > 0 ? kTick : milliseconds{-1};
}

NfsConnection::Ticket NfsConnection::next_waiting() {
  const std::lock_guard lock(mutex_);
  while (!delayed_.empty() && delayed_.front()->not_before <= Clock::now()) {
    waiting_.push_front(std::move(delayed_.front()));
    delayed_.pop_front();
  }
  if (waiting_.empty()) return nullptr;
  Ticket call = std::move(waiting_.front());
  waiting_.pop_front();
  return call;
}

bool NfsConnection::send_waiting(rpc_context* rpc) {
  bool sent_any = false;
  while (in_flight_ < options_.in_flight_max) {
    const Ticket call = next_waiting();
    if (!call) break;
    if (call->abandoned) {
      finish(call, Error{Code::kCancelled, "nobody waits for it", {}});
      continue;
    }
    Result<NfsRequest> request = request_for(call->read);
    if (!request) {
      finish(call, std::move(request).error());
      continue;
    }
    auto sent = std::make_unique<Sent>(Sent{this, call, request->start});
    if (!send_compound(rpc, *request, on_reply, sent.get())) {
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

// Built when it goes out, since handles are a server's own.
Result<NfsRequest> NfsConnection::request_for(const NfsRead& read) const {
  NfsRequest out;
  out.offset = read.offset;
  out.count = read.count;
  out.start = servers_.handle(server_, read.folder);
  if (out.start.empty()) {
    out.names = servers_.address(server_).export_path;
    for (std::string& name : split_path(read.folder)) out.names.push_back(std::move(name));
    out.handle_after = out.names.size();
  }
  out.names.push_back(read.name);
  if (out.names.size() > NfsRequest::kNamesMax) {
    return Error{Code::kInvalid, fmt::format("{} lies too deep in the export", read.folder), {}};
  }
  return out;
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
  if (status == RPC_STATUS_SUCCESS) {
    self.progress_ = Clock::now();
    self.answered(*sent, read_compound(*static_cast<const COMPOUND4res*>(data)));
    return;
  }
  const std::string words =
      status == RPC_STATUS_ERROR && data != nullptr ? static_cast<const char*>(data) : "";
  const bool refused = !words.empty() && !words.starts_with(kConnectionLost);
  if (refused && ++sent->call->refusals >= kRefusalsMax) {
    self.finish(sent->call, Error{Code::kIo, "the store refuses a call: " + words, {}});
    return;
  }
  self.again(sent->call, milliseconds{0});
}

void NfsConnection::answered(const Sent& sent, NfsAnswer answer) {
  servers_.tell_back(server_);
  const NfsRead& read = sent.call->read;
  if (!answer.handle.empty()) servers_.keep_handle(server_, read.folder, answer.handle);
  if (is_busy(answer.status)) {
    again(sent.call, kBusyPause);
    return;
  }
  // A folder may have gone and come again: only the way from the root is proof.
  const bool doubtful = is_stale(answer.status) || answer.status == NFS4ERR_NOENT;
  if (doubtful && !sent.start.empty()) {
    servers_.drop_handle(server_, read.folder, sent.start);
    if (++sent.call->stale_tries < kStaleTriesMax) {
      again(sent.call, milliseconds{0});
      return;
    }
  }
  finish(sent.call, std::move(answer));
}

void NfsConnection::again(const Ticket& call, milliseconds pause_time) {
  retries_ += 1;
  call->not_before = Clock::now() + pause_time;
  const std::lock_guard lock(mutex_);
  if (pause_time.count() > 0) {
    delayed_.push_back(call);
  } else {
    waiting_.push_front(call);
  }
}

void NfsConnection::finish(const Ticket& call, Result<NfsAnswer> answer) {
  load_ -= 1;
  call->done(std::move(answer));
}

void NfsConnection::lost(std::string why) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(why);
}

void NfsConnection::pause(const std::stop_token& stop, milliseconds time) {
  std::unique_lock lock(mutex_);
  stopping_.wait_for(lock, stop, time, [] { return false; });
}

// No answer since long, though somebody asked as long ago.
void NfsConnection::tell_if_away() {
  const auto now = Clock::now();
  if (now - progress_ < options_.away_until_told) return;
  size_t readers = in_flight_;
  Clock::time_point first = in_flight_ > 0 ? progress_ : now;
  {
    const std::lock_guard lock(mutex_);
    for (const Ticket& call : waiting_) {
      if (call->abandoned) continue;
      readers += 1;
      first = std::min(first, call->since);
    }
  }
  const auto since = std::chrono::duration_cast<milliseconds>(now - std::max(first, progress_));
  if (readers == 0 || since < options_.away_until_told) return;
  servers_.tell_away(server_, since, in_flight_ > 0 ? "it is silent" : last_error(), readers);
}

}  // namespace devrun::volume
