// HOST:PORT[/EXPORT], the host an IPv6 address in brackets if it likes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::volume {

struct NfsAddress {
  std::string host;
  int port = 2049;
  std::vector<std::string> export_path;  // names below the server's root
};

// The names of a path; empty ones left out.
std::vector<std::string> split_path(std::string_view path);

Result<NfsAddress> parse_nfs_address(std::string_view text);
// Several of one store, with commas between them.
Result<std::vector<NfsAddress>> parse_nfs_addresses(std::string_view text);

}  // namespace devrun::volume
