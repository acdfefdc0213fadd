#include "agent/sandbox/store_guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

#include "agent/sandbox/bpf.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr int16_t kIp4 = 4, kIp6 = 8, kPort = 24;  // of bpf_sock_addr, in network order
constexpr int16_t kAnswer = 2;                     // instructions

struct Server {
  uint32_t address = 0;  // network order
  uint16_t port = 0;     // likewise
};

Result<Server> parse_server(const std::string& text) {
  const Error bad{Code::kInvalid, fmt::format("'{}' is not ADDRESS:PORT", text), {}};
  const size_t colon = text.rfind(':');
  in_addr address{};
  uint16_t port = 0;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address) != 1) {
    return bad;
  }
  const char* last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data() + colon + 1, last, port);
  if (failed != std::errc{} || end != last) return bad;
  return Server{address.s_addr, htons(port)};
}

}  // namespace

Status guard_store(const std::string& folder, const std::string& server) {
  const Server at = TRY(parse_server(server));
  const bool loopback = (ntohl(at.address) >> 24) == 127;
  BpfProgram v4;
  v4.load(2, kPort);
  v4.load(3, kIp4);
  v4.load(4, kIp4);
  // All of 127/8 is this machine, and so is 0.0.0.0. The first octet comes first in memory.
  if (loopback) v4.and_with(3, 0xff);
  v4.skip_unless(2, at.port, 2 * (1 + kAnswer));
  v4.skip_unless(4, 0, kAnswer);
  v4.answer(0);
  v4.skip_unless(3, loopback ? 127 : static_cast<int32_t>(at.address), kAnswer);
  v4.answer(0);
  v4.answer(1);
  TRY(v4.attach(folder, BpfPoint::kConnect4));
  // ::1, and IPv4 addresses written as IPv6: both begin with 64 zero bits, as no other address does.
  BpfProgram v6;
  v6.load(2, kPort);
  v6.load(3, kIp6);
  v6.load(4, kIp6 + 4);
  v6.skip_unless(2, at.port, 2 + kAnswer);
  v6.skip_unless(3, 0, 1 + kAnswer);
  v6.skip_unless(4, 0, kAnswer);
  v6.answer(0);
  v6.answer(1);
  return v6.attach(folder, BpfPoint::kConnect6);
}

std::string make_guard_cgroup(const CgroupHost& host, const std::string& parent,
                              const std::string& name) {
  if (host.guard.empty() || !host.unified.empty()) return {};
  const std::string folder = fmt::format("{}/{}/{}", host.guard, parent, name);
  if (const Status made = make_folders(folder); made) return folder;
  log::info("no cgroup in {}", host.guard);
  return {};
}

}  // namespace devrun::sandbox
