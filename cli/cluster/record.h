// cluster.json: what `up` chose and must choose again: ports, how many nodes, what kind of store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

struct Record {
  int nodes = 1;
  uint16_t controller_port = 0;
  uint16_t nfs_port = 0;
  uint16_t join_port = 0;  // where tokens of `devrun user add` are good
  bool store_is_image = false;
  int64_t output_bytes_max = 0;             // of a job's output on a node; 0: the agent's default
  std::string gpu_root = "/";               // where the GPUs' driver is installed
  int64_t cache_bytes = int64_t{20} << 30;  // of each node's disk cache, at most; 0: none
  // More words for the daemons' command lines, which an operator has put into the file: `devrun-controller --help`.
  std::vector<std::string> controller_flags = {};
  std::vector<std::string> agent_flags = {};

  // node1, node2, …
  std::vector<std::string> node_names() const;
};

// Where node `index` (from 1) is reached: 127.0.0.2 for the first; 127.0.0.1 is the storage host's.
std::string node_address(int index);

std::string to_json(const Record& record);
Result<Record> parse_record(std::string_view text);

// Nothing if there is no cluster in the folder yet.
Result<std::optional<Record>> load_record(const Layout& layout);
Status save_record(const Layout& layout, const Record& record);

}  // namespace devrun::cluster
