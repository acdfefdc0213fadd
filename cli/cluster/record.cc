#include "cli/cluster/record.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "cli/cluster/cluster.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr int kVersion = 1;

Result<int64_t> number(const nlohmann::json& json, const char* name, int64_t min, int64_t max) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_integer()) {
    return Error{Code::kCorrupt, fmt::format("'{}' is not a number", name), {}};
  }
  const auto value = found->get<int64_t>();
  if (value < min || value > max) {
    return Error{
        Code::kCorrupt, fmt::format("'{}' is {}, not in {} to {}", name, value, min, max), {}};
  }
  return value;
}

Result<std::vector<std::string>> words(const nlohmann::json& json, const char* name) {
  std::vector<std::string> out;
  const auto found = json.find(name);
  if (found == json.end()) return out;
  const Error bad{Code::kCorrupt, fmt::format("'{}' is not a list of words", name), {}};
  if (!found->is_array()) return bad;
  for (const auto& word : *found) {
    if (!word.is_string()) return bad;
    out.push_back(word.get<std::string>());
  }
  return out;
}

}  // namespace

std::vector<std::string> Record::node_names() const {
  std::vector<std::string> out;
  for (int i = 1; i <= nodes; ++i) out.push_back(fmt::format("node{}", i));
  return out;
}

std::string node_address(int index) {
  return fmt::format("127.0.0.{}", index + 1);
}

std::string to_json(const Record& record) {
  nlohmann::ordered_json json = {{"version", kVersion},
                                 {"nodes", record.nodes},
                                 {"controller_port", record.controller_port},
                                 {"nfs_port", record.nfs_port},
                                 {"join_port", record.join_port},
                                 {"store_is_image", record.store_is_image},
                                 {"output_bytes_max", record.output_bytes_max},
                                 {"gpu_root", record.gpu_root},
                                 {"cache_bytes", record.cache_bytes}};
  if (!record.controller_flags.empty()) json["controller_flags"] = record.controller_flags;
  if (!record.agent_flags.empty()) json["agent_flags"] = record.agent_flags;
  return json.dump(2) + "\n";
}

Result<Record> parse_record(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{Code::kCorrupt, "not a JSON object", {}};
  Record out;
  const int64_t version = TRY(number(json, "version", 1, 1 << 30));
  if (version != kVersion) {
    return Error{Code::kUnsupported, fmt::format("made by a newer devrun (version {})", version),
                 "install that devrun, or `devrun down --purge` with it"};
  }
  out.nodes = static_cast<int>(TRY(number(json, "nodes", 1, kNodesMax)));
  out.controller_port = static_cast<uint16_t>(TRY(number(json, "controller_port", 0, 65535)));
  out.nfs_port = static_cast<uint16_t>(TRY(number(json, "nfs_port", 0, 65535)));
  const auto image = json.find("store_is_image");
  if (image == json.end() || !image->is_boolean()) {
    return Error{Code::kCorrupt, "'store_is_image' is not true or false", {}};
  }
  out.store_is_image = image->get<bool>();
  // These came later than the first clusters.
  if (json.contains("join_port")) {
    out.join_port = static_cast<uint16_t>(TRY(number(json, "join_port", 0, 65535)));
  }
  if (json.contains("output_bytes_max")) {
    out.output_bytes_max = TRY(number(json, "output_bytes_max", 0, INT64_MAX));
  }
  if (const auto root = json.find("gpu_root"); root != json.end() && root->is_string()) {
    out.gpu_root = root->get<std::string>();
  }
  if (json.contains("cache_bytes")) {  // not in those of older versions
    out.cache_bytes = TRY(number(json, "cache_bytes", 0, std::numeric_limits<int64_t>::max()));
  }
  out.controller_flags = TRY(words(json, "controller_flags"));
  out.agent_flags = TRY(words(json, "agent_flags"));
  return out;
}

Result<std::optional<Record>> load_record(const Layout& layout) {
  Result<std::string> text = read_file(layout.record(), 1 << 20);
  if (!text) {
    if (text.error().code == Code::kNotFound) return std::optional<Record>();
    return std::move(text).error();
  }
  Result<Record> record = parse_record(*text);
  if (!record) return std::move(record).error().context(layout.record());
  return std::optional<Record>(*record);
}

Status save_record(const Layout& layout, const Record& record) {
  return write_file_durably(layout.record(), to_json(record), 0644);
}

}  // namespace devrun::cluster
