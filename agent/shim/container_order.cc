#include "agent/shim/container_order.h"

#include <cstring>

namespace devrun::shim {

namespace {

// Numbers in the machine's order. Of a session the reader may be older than the writer: the init of a container that began
// before an upgrade. So what such a reader knows is written as it knows it.
constexpr uint32_t kPlain = 2;
constexpr uint32_t kWithHelper = 3;

struct Header {
  uint32_t format = kPlain;
  uint32_t setup_words = 0;
  uint32_t words = 0;
  uint32_t variables = 0;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t tty = 0;
  uint32_t reads_stdin = 0;
  uint32_t idle = 0;
  uint32_t changes_ids = 0;
  uint32_t umask = 0;
  uint32_t groups = 0;
};
// Follows with kWithHelper.
struct HelperHeader {
  uint32_t words = 0;
  uint32_t stays = 0;
};

template <typename Numbers>
bool take_numbers(std::string_view& rest, Numbers& out) {
  if (rest.size() < sizeof out) return false;
  std::memcpy(&out, rest.data(), sizeof out);
  rest.remove_prefix(sizeof out);
  return true;
}

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

bool take(std::string_view& rest, uint32_t count, std::vector<uint32_t>& out) {
  if (count > rest.size() / sizeof(uint32_t)) return false;
  out.resize(count);
  if (count > 0) std::memcpy(out.data(), rest.data(), count * sizeof(uint32_t));
  rest.remove_prefix(count * sizeof(uint32_t));
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
  header.idle = order.idle ? 1 : 0;
  header.changes_ids = order.changes_ids ? 1 : 0;
  header.umask = order.umask;
  header.groups = static_cast<uint32_t>(order.groups.size());
  const HelperHeader helper{static_cast<uint32_t>(order.helper.size()), order.stays ? 1U : 0U};
  if (!order.helper.empty()) header.format = kWithHelper;
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  if (!order.helper.empty()) out.append(reinterpret_cast<const char*>(&helper), sizeof helper);
  out.append(reinterpret_cast<const char*>(order.groups.data()),
             order.groups.size() * sizeof(uint32_t));
  out.append(order.cwd).push_back('\0');
  for (const auto* list : {&order.setup, &order.argv, &order.env, &order.helper}) {
    for (const std::string& text : *list) out.append(text).push_back('\0');
  }
  return out;
}

Result<ContainerOrder> parse_container_order(std::string_view bytes) {
  const Error malformed{Code::kCorrupt, "the container's order cannot be read", {}};
  Header header;
  HelperHeader helper;
  if (!take_numbers(bytes, header)) return malformed;
  if (header.format != kPlain && header.format != kWithHelper) return malformed;
  if (header.format == kWithHelper && !take_numbers(bytes, helper)) return malformed;
  ContainerOrder out;
  out.idle = header.idle != 0;
  if (!take(bytes, header.groups, out.groups) || !take(bytes, out.cwd) ||
      !take(bytes, header.setup_words, out.setup) || !take(bytes, header.words, out.argv) ||
      !take(bytes, header.variables, out.env) || !take(bytes, helper.words, out.helper) ||
      out.argv.empty() != out.idle) {
    return malformed;
  }
  out.tty = header.tty != 0;
  out.terminal = {header.rows, header.columns};
  out.reads_stdin = header.reads_stdin != 0;
  out.uid = header.uid;
  out.gid = header.gid;
  out.changes_ids = header.changes_ids != 0;
  out.stays = helper.stays != 0;
  out.umask = header.umask;
  return out;
}

}  // namespace devrun::shim
