#include "agent/shim/container_order.h"

#include <cstring>

namespace devrun::shim {

namespace {

// Numbers in the machine's order: writer and reader are the same program on the same machine.
struct Header {
  uint32_t format = 1;
  uint32_t setup_words = 0;
  uint32_t words = 0;
  uint32_t variables = 0;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t tty = 0;
  uint32_t reads_stdin = 0;
};

bool take(std::string_view& rest, std::string& out) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  out.assign(rest.substr(0, end));
  rest.remove_prefix(end + 1);
  return true;
}

bool take(std::string_view& rest, uint32_t count, std::vector<std::string>& out) {
  if (count > rest.size()) return false;
  out.resize(count);
  for (std::string& text : out) {
    if (!take(rest, text)) return false;
  }
  return true;
}

}  // namespace

std::string encode(const ContainerOrder& order) {
  Header header;
  header.setup_words = static_cast<uint32_t>(order.setup.size());
  header.words = static_cast<uint32_t>(order.argv.size());
  header.variables = static_cast<uint32_t>(order.env.size());
  header.rows = order.terminal.rows;
  header.columns = order.terminal.columns;
  header.uid = order.uid;
  header.gid = order.gid;
  header.tty = order.tty ? 1 : 0;
  header.reads_stdin = order.reads_stdin ? 1 : 0;
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(order.cwd).push_back('\0');
  for (const auto* list : {&order.setup, &order.argv, &order.env}) {
    for (const std::string& text : *list) out.append(text).push_back('\0');
  }
  return out;
}

Result<ContainerOrder> parse_container_order(std::string_view bytes) {
  const Error malformed{Code::kCorrupt, "the container's order cannot be read", {}};
  Header header;
  if (bytes.size() < sizeof header) return malformed;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes.remove_prefix(sizeof header);
  ContainerOrder out;
  if (header.format != 1 || !take(bytes, out.cwd) || !take(bytes, header.setup_words, out.setup) ||
      !take(bytes, header.words, out.argv) || !take(bytes, header.variables, out.env) ||
      out.argv.empty()) {
    return malformed;
  }
  out.tty = header.tty != 0;
  out.terminal = {header.rows, header.columns};
  out.reads_stdin = header.reads_stdin != 0;
  out.uid = header.uid;
  out.gid = header.gid;
  return out;
}

}  // namespace devrun::shim
