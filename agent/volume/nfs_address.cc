#include "agent/volume/nfs_address.h"

#include <fmt/format.h>

#include <charconv>

namespace devrun::volume {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (!name.empty()) out.emplace_back(name);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
  return out;
}

Result<NfsAddress> parse_nfs_address(std::string_view text) {
  const Error wrong{Code::kInvalid,
                    fmt::format("'{}' is no NFS address: HOST:PORT or HOST:PORT/EXPORT", text),
                    {}};
  NfsAddress out;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong;
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    const size_t end = rest.find_first_of(":/");
    out.host = rest.substr(0, end);
    rest.remove_prefix(std::min(end, rest.size()));
  }
  if (out.host.empty()) return wrong;
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
    if (failed != std::errc{} || out.port < 1 || out.port > 65535) return wrong;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  }
  if (!rest.empty() && rest.front() != '/') return wrong;
  out.export_path = split_path(rest);
  return out;
}

Result<std::vector<NfsAddress>> parse_nfs_addresses(std::string_view text) {
  std::vector<NfsAddress> out;
  for (;;) {
    const size_t end = text.find(',');
    out.push_back(TRY(parse_nfs_address(text.substr(0, end))));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

}  // namespace devrun::volume
