#include "controller/metrics/http_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <chrono>

namespace devrun::controller {

namespace {

constexpr size_t kRequestBytesMax = 8 << 10;
constexpr timeval kPatience{.tv_sec = 2, .tv_usec = 0};
constexpr int kWaitingMax = 16;

Result<sockaddr_in> address_of(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon);
  sockaddr_in out{};
  out.sin_family = AF_INET;
  uint16_t port = 0;
  const char* begin = text.data() + (colon == std::string::npos ? text.size() : colon + 1);
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(begin, end, port);
  if (colon == std::string::npos || parsed.ec != std::errc{} || parsed.ptr != end ||
      ::inet_pton(AF_INET, host.c_str(), &out.sin_addr) != 1) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no address: expected HOST:PORT such as 127.0.0.1:9464", text),
                 {}};
  }
  out.sin_port = htons(port);
  return out;
}

// Up to the blank line; what came if there is none in time. In all, not for each byte: one thread answers all.
std::string read_request(int connection) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatience.tv_sec);
  std::string out;
  char buffer[1024];
  while (out.size() < kRequestBytesMax && out.find("\r\n\r\n") == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    const ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out.append(buffer, static_cast<size_t>(n));
  }
  return out;
}

void send_all(int connection, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

std::string reply(std::string_view status, std::string_view type, const std::string& body) {
  return fmt::format(
      "HTTP/1.0 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      status, type, body.size(), body);
}

}  // namespace

Result<std::unique_ptr<HttpText>> HttpText::listen(const std::string& text, std::string path,
                                                   std::function<std::string()> page) {
  sockaddr_in address = TRY(address_of(text));
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!listener || !wake) return errno_error("a socket for metrics", errno);
  const int yes = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), generic, length) != 0 || ::listen(listener.get(), kWaitingMax) != 0 ||
      ::getsockname(listener.get(), generic, &length) != 0) {
    return errno_error("listen for metrics on " + text, errno);
  }
  return std::unique_ptr<HttpText>(new HttpText(std::move(listener), std::move(wake),
                                                ntohs(address.sin_port), std::move(path),
                                                std::move(page)));
}

HttpText::HttpText(UniqueFd listener, UniqueFd wake, uint16_t port, std::string path,
                   std::function<std::string()> page)
    : listener_(std::move(listener)),
      wake_(std::move(wake)),
      port_(port),
      path_(std::move(path)),
      page_(std::move(page)),
      thread_([this] { serve(); }) {}

HttpText::~HttpText() {
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void HttpText::serve() {
  for (;;) {
    pollfd polled[] = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0) continue;
    if (polled[0].revents != 0) return;
    const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) answer(connection.get());
  }
}

void HttpText::answer(int connection) const {
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  const std::string request = read_request(connection);
  const std::string wanted = "GET " + path_;
  const bool asks = request.starts_with(wanted + " ") || request.starts_with(wanted + "?");
  send_all(connection, asks ? reply("200 OK", "text/plain; version=0.0.4; charset=utf-8", page_())
                            : reply("404 Not Found", "text/plain", "GET " + path_ + "\n"));
}

}  // namespace devrun::controller
