#include "common/runtime/refused_clients.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <sstream>

#include "common/runtime/file.h"

namespace devrun {

namespace {

constexpr size_t kBytesMax = 1 << 20;
constexpr uint32_t kLoopback = 127;
constexpr std::string_view kMark = " # refused\n";
constexpr std::string_view kClient = "  CLIENT {";

}  // namespace

std::string refused_clients_file(const std::string& state_folder) {
  return state_folder + "/refused-clients";
}

Result<RefusedClients> read_refused_clients(const std::string& file) {
  const Result<std::string> text = read_file(file, kBytesMax);
  if (!text && text.error().code == Code::kNotFound) return RefusedClients{};
  if (!text) return text.error();
  RefusedClients out;
  std::istringstream lines(*text);
  for (std::string address, node; lines >> address >> node;) {
    if (!is_refusable(address)) {
      return Error{Code::kCorrupt, fmt::format("{}: '{}' is no IPv4 address", file, address),
                   "a line there is ADDRESS NODE"};
    }
    out[address] = node;
  }
  return out;
}

Status write_refused_clients(const std::string& file, const RefusedClients& clients) {
  std::string text;
  for (const auto& [address, node] : clients) text += fmt::format("{} {}\n", address, node);
  return write_file_durably(file, text, 0600);
}

// The first client that matches decides, and a machine comes before a network.
std::string with_refused_clients(const std::string& config, const RefusedClients& clients) {
  std::string out = config;
  if (const size_t end = out.find(kMark); end != std::string::npos) {
    const size_t begin = out.rfind('\n', end) + 1;
    out.erase(begin, end + kMark.size() - begin);
  }
  const size_t first = out.find(kClient);
  if (clients.empty() || first == std::string::npos) return out;
  std::string list;
  for (const auto& [address, node] : clients) list += (list.empty() ? "" : ", ") + address;
  return out.insert(first,
                    fmt::format("{} Clients = {}; Access_Type = NONE; }}{}", kClient, list, kMark));
}

bool is_refusable(const std::string& address) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) return false;
  const uint32_t number = ntohl(parsed.s_addr);
  return number != 0 && number >> 24 != kLoopback;
}

}  // namespace devrun
