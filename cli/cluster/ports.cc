#include "cli/cluster/ports.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

#include "common/runtime/fd.h"

namespace devrun::cluster {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

UniqueFd tcp_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

bool bind_to(const UniqueFd& fd, uint16_t port) {
  // As servers do: connections that have ended do not hold the port.
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Of the sockets that are bound to the port, listening ones first. A line is
// `N: ADDRESS:PORT REMOTE STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE …`, numbers in hexadecimal but for the last.
std::vector<std::string> inodes_at(const std::string& table, uint16_t port) {
  constexpr std::string_view kListens = "0A";
  std::vector<std::string> out;
  std::ifstream lines(table);
  const std::string suffix = fmt::format(":{:04X}", port);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, again, uid, timeout, inode;
    fields >> number >> local >> remote >> state >> queues >> timer >> again >> uid >> timeout;
    if (!(fields >> inode) || !local.ends_with(suffix) || inode == "0") continue;
    out.insert(state == kListens ? out.begin() : out.end(), inode);
  }
  return out;
}

// The first process that holds a descriptor of that name.
std::string process_with(const std::string& descriptor) {
  std::error_code failed;
  for (const auto& process : std::filesystem::directory_iterator("/proc", failed)) {
    const std::string pid = process.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code gone;
    for (const auto& fd : std::filesystem::directory_iterator(process.path() / "fd", gone)) {
      if (std::filesystem::read_symlink(fd.path(), gone) != descriptor) continue;
      std::string name;
      std::ifstream comm(process.path() / "comm");
      std::getline(comm, name);
      return fmt::format("process {} ({})", pid, name);
    }
  }
  return {};
}

}  // namespace

bool port_is_free(uint16_t port) {
  const UniqueFd fd = tcp_socket();
  return fd && bind_to(fd, port);
}

bool port_accepts(uint16_t port) {
  const UniqueFd fd = tcp_socket();
  const sockaddr_in address = loopback(port);
  return fd &&
         ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Result<uint16_t> free_port(uint16_t wanted) {
  constexpr uint16_t kBelow = 32'768, kStep = 10;
  for (uint32_t port = wanted; port < kBelow; port += kStep) {
    if (port_is_free(static_cast<uint16_t>(port))) return static_cast<uint16_t>(port);
  }
  return Error{Code::kExhausted, fmt::format("no port is free from {} on", wanted), "ss -tlnp"};
}

std::string holder_of_port(uint16_t port) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (const std::string& inode : inodes_at(table, port)) {
      if (std::string holder = process_with(fmt::format("socket:[{}]", inode)); !holder.empty()) {
        return holder;
      }
    }
  }
  return {};
}

}  // namespace devrun::cluster
