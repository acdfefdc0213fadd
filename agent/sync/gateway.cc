#include "agent/sync/gateway.h"

#include <fcntl.h>
#include <grpcpp/server_posix.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/error.h"

namespace devrun::agent {
namespace {

// Of one container; further ones wait in the listener's backlog until some of these have gone.
constexpr size_t kConnectionsMax = 512;
constexpr int kCallsMax = 64;  // of one connection
constexpr int kMessageBytesMax = 16 << 20;
constexpr int kPauseMs = 20;  // before what could not be accepted is tried again
// What programs in containers may call; the controller says of each call who may make it.
constexpr std::string_view kForwardedServices[] = {"/devrun.v1.Client/", "/devrun.v1.Monitor/"};

uint64_t inode_of(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 ? st.st_ino : 0;
}

grpc::Status status_of(const Error& error) {
  return {static_cast<grpc::StatusCode>(wire::grpc_code_of(error.code)), error.message,
          wire::error_details(error)};
}

}  // namespace

class Gateway::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(Gateway& gateway) : gateway_(gateway) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const auto& method = context->method();
    if (std::ranges::none_of(kForwardedServices,
                             [&](auto service) { return method.starts_with(service); })) {
      return refuse(status_of({Code::kUnsupported, "no such call: " + context->method(), {}}));
    }
    const std::optional<CallerIdentity> caller = gateway_.who(context->peer());
    if (!caller) return refuse(status_of({Code::kDenied, "this connection is nobody's", {}}));
    return forward(context, gateway_.controller_, *caller, gateway_.forwardings_);
  }

 private:
  Gateway& gateway_;
};

Result<std::unique_ptr<Gateway>> Gateway::open(std::string sockets_folder,
                                               std::shared_ptr<grpc::Channel> controller) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(sockets_folder), std::move(controller)));
  TRY(gateway->begin());
  return gateway;
}

Gateway::Gateway(std::string sockets_folder, std::shared_ptr<grpc::Channel> controller)
    : folder_(std::move(sockets_folder)),
      controller_(std::move(controller)),
      service_(std::make_unique<Service>(*this)) {}

Status Gateway::begin() {
  // Whoever can connect to a container's socket is taken for a program of that container. It is bound into that by root; nobody
  // else of this machine has a way to it, whatever the folders above allow.
  TRY(make_private_folder(folder_));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  wake_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!epoll_ || !wake_) return errno_error("the gateway's epoll", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    return errno_error("the gateway's epoll", errno);
  }
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(service_.get());
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsMax);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  server_ = builder.BuildAndStart();
  if (!server_) return Error{Code::kInternal, "the gateway's server does not start", {}};
  thread_ = std::thread([this] { accept_connections(); });
  return ok();
}

Gateway::~Gateway() {
  if (thread_.joinable()) {
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
  }
  if (server_) {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    forwardings_.wait_for_all();
  }
}

Result<std::string> Gateway::serve(const AttemptKey& key, const ContainerIdentity& container) {
  const std::string folder = folder_ + "/" + folder_name(key);
  const std::string path = folder + "/socket";
  TRY(make_folders(folder, 0755));
  UniqueFd listener = TRY(listen_unix(path, 0666));
  if (::fcntl(listener.get(), F_SETFL, O_NONBLOCK) != 0) return errno_error(path, errno);

  const std::lock_guard lock(mutex_);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = ++newest_number_;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.get(), &event) != 0) {
    return errno_error(path, errno);
  }
  sockets_[key] = {std::move(listener), container, newest_number_};
  return path;
}

void Gateway::end(const AttemptKey& key) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = sockets_.find(key);
    if (it == sockets_.end()) return;
    std::erase_if(peers_,
                  [&](const auto& peer) { return peer.second.socket == it->second.number; });
    sockets_.erase(it);
  }
  std::error_code failed;
  std::filesystem::remove_all(folder_ + "/" + folder_name(key), failed);
  if (failed) log::warning("socket of {}: {}", to_string(key), failed.message());
}

void Gateway::accept_connections() {
  std::array<epoll_event, 32> events;
  while (true) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               held_back_.empty() ? -1 : kPauseMs);
    for (const uint64_t number : std::exchange(held_back_, {})) listen_again(number);
    for (int i = 0; i < n; ++i) {
      const uint64_t number = events[static_cast<size_t>(i)].data.u64;
      if (number == 0) return;
      accept_one(number);
    }
  }
}

Gateway::Socket* Gateway::find_socket(uint64_t number) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [&](const auto& entry) { return entry.second.number == number; });
  return found == sockets_.end() ? nullptr : &found->second;
}

void Gateway::accept_one(uint64_t socket_number) {
  const std::lock_guard lock(mutex_);
  Socket* const socket = find_socket(socket_number);
  if (socket == nullptr) return;
  if (!has_room(socket_number)) return hold_back(*socket);
  UniqueFd connection(
      ::accept4(socket->listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) {
    if (errno == EMFILE || errno == ENFILE) hold_back(*socket);
    return;
  }
  const Result<PeerCredentials> credentials = peer_credentials(connection.get());
  if (!credentials) return;  // closed
  const int fd = connection.release();
  peers_[fd] = {socket_number,
                inode_of(fd),
                {socket->container, credentials->uid, credentials->gid, credentials->groups}};
  grpc::AddInsecureChannelFromFd(server_.get(), fd);
}

// Not heard for a while: what can be accepted now would wake epoll again and again.
void Gateway::hold_back(const Socket& socket) {
  arm(socket, false);
  held_back_.insert(socket.number);
}

void Gateway::listen_again(uint64_t socket_number) {
  const std::lock_guard lock(mutex_);
  Socket* const socket = find_socket(socket_number);
  if (socket != nullptr) arm(*socket, true);
}

void Gateway::arm(const Socket& socket, bool heard) {
  epoll_event event{};
  event.events = heard ? uint32_t{EPOLLIN} : 0;
  event.data.u64 = socket.number;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket.listener.get(), &event);
}

// gRPC does not say when it closes a connection; a descriptor whose number is free or another's is over.
bool Gateway::has_room(uint64_t socket_number) {
  const auto of_socket = [&](const auto& entry) { return entry.second.socket == socket_number; };
  const auto count = [&] {
    return static_cast<size_t>(std::count_if(peers_.begin(), peers_.end(), of_socket));
  };
  if (count() < kConnectionsMax) return true;
  std::erase_if(peers_,
                [](const auto& entry) { return inode_of(entry.first) != entry.second.inode; });
  return count() < kConnectionsMax;
}

std::optional<CallerIdentity> Gateway::who(const std::string& peer) const {
  constexpr std::string_view kPrefix = "fd:";
  int fd = -1;
  if (!peer.starts_with(kPrefix)) return std::nullopt;
  const char* end = peer.data() + peer.size();
  if (std::from_chars(peer.data() + kPrefix.size(), end, fd).ptr != end) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto it = peers_.find(fd);
  if (it == peers_.end()) return std::nullopt;
  return it->second.caller;
}

}  // namespace devrun::agent
