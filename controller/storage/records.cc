#include "controller/storage/records.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>

#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

constexpr int kVersion = 1;
constexpr size_t kRecordBytesMax = 4 << 20;
using Json = nlohmann::ordered_json;

using Bytes16 = std::array<uint8_t, 16>;  // lineages and uuids alike

std::string to_hex(const Bytes16& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  return out;
}

std::optional<Bytes16> from_hex(const std::string& hex) {
  // Digest knows hex; half of one is ours.
  const std::optional<Digest> padded = Digest::from_hex(hex + std::string(32, '0'));
  if (!padded || hex.size() != 32) return std::nullopt;
  Bytes16 out;
  std::copy_n(padded->bytes.begin(), out.size(), out.begin());
  return out;
}

// Json converts from everything, so a Result of one is ambiguous.
Status read_json(const std::string& path, Json& json) {
  const std::string text = TRY(read_file(path, kRecordBytesMax));
  json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("version", Json()) != Json(kVersion)) {
    return Error{Code::kCorrupt, fmt::format("{} is not a version {} record", path, kVersion), {}};
  }
  return ok();
}

// Typed fields of a record; `wrong` stays empty if all were there.
struct Fields {
  const Json& json;
  std::string wrong;

  std::string text(const char* name) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
    wrong = name;
    return {};
  }
  int64_t number(const char* name) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_number_integer()) return found->get<int64_t>();
    wrong = name;
    return 0;
  }
  Bytes16 bytes16(const char* name) {
    const std::optional<Bytes16> out = from_hex(text(name));
    if (!out) wrong = name;
    return out.value_or(Bytes16{});
  }
};

Error wrong_field(const std::string& path, const std::string& field) {
  return Error{Code::kCorrupt, fmt::format("{}: '{}' is missing or wrong", path, field), {}};
}

constexpr std::string_view kReading = "read";
constexpr std::string_view kWriting = "write";

// Whatever cannot be read is shared with nobody: kCorrupt, and the volume is used by nobody.
Result<Shares> shares_of(const std::string& path, const Json& json) {
  Shares out;
  const auto list = json.find("shares");
  if (list == json.end()) return out;
  if (!list->is_object()) return wrong_field(path, "shares");
  for (const auto& [with, access] : list->items()) {
    if (access != Json(kReading) && access != Json(kWriting)) return wrong_field(path, "shares");
    out[with] = access == Json(kWriting) ? ShareFor::kWriting : ShareFor::kReading;
  }
  return out;
}

}  // namespace

Status write_volume_record(const std::string& folder, const VolumeRecord& record) {
  Json json = {{"version", kVersion},
               {"name", record.name},
               {"owner", record.owner},
               {"lineage", to_hex(record.lineage)},
               {"created_us", record.created.us},
               {"quota_bytes", record.quota_bytes}};
  for (const auto& [with, access] : record.shares) {
    json["shares"][with] = access == ShareFor::kWriting ? kWriting : kReading;
  }
  return write_file_durably(folder + "/volume.json", json.dump(2) + "\n", 0600);
}

Result<VolumeRecord> read_volume_record(const std::string& folder) {
  const std::string path = folder + "/volume.json";
  Json json;
  TRY(read_json(path, json));
  Fields fields{json, {}};
  VolumeRecord out{fields.text("name"),
                   fields.text("owner"),
                   fields.bytes16("lineage"),
                   Time{fields.number("created_us")},
                   json.contains("quota_bytes") ? fields.number("quota_bytes") : 0,
                   TRY(shares_of(path, json))};
  if (!fields.wrong.empty()) return wrong_field(path, fields.wrong);
  return out;
}

Status write_newest_record(const std::string& folder, const NewestRecord& record) {
  const Json json = {{"version", kVersion},
                     {"tree", record.tree.hex()},
                     {"taken_us", record.taken.us},
                     {"generation", record.generation},
                     {"live", to_hex(record.live)}};
  return write_file_durably(folder + "/newest.json", json.dump(2) + "\n", 0600);
}

Result<std::optional<NewestRecord>> read_newest_record(const std::string& folder) {
  const std::string path = folder + "/newest.json";
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<NewestRecord>();
  Json json;
  TRY(read_json(path, json));
  Fields fields{json, {}};
  NewestRecord out;
  const std::optional<Digest> tree = Digest::from_hex(fields.text("tree"));
  if (!tree) return wrong_field(path, "tree");
  out.tree = *tree;
  out.taken = Time{fields.number("taken_us")};
  out.generation = static_cast<uint64_t>(fields.number("generation"));
  out.live = fields.bytes16("live");
  if (!fields.wrong.empty()) return wrong_field(path, fields.wrong);
  return std::optional(out);
}

namespace {

constexpr std::array kSettableKinds = {PathKind::kHome, PathKind::kNode, PathKind::kKept,
                                       PathKind::kLive};

std::optional<PathKind> kind_named(std::string_view name) {
  for (const PathKind kind : kSettableKinds) {
    if (path_kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

// Paths are bytes, and JSON has only text: what is no plain ASCII is kept as hex.
std::string to_text(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7f && c != '%') {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02x}", byte);
    }
  }
  return out;
}

std::optional<std::string> to_bytes(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    uint8_t byte = 0;
    const char* first = text.data() + at + 1;
    if (at + 3 > text.size()) return std::nullopt;
    if (std::from_chars(first, first + 2, byte, 16).ptr != first + 2) return std::nullopt;
    out.push_back(static_cast<char>(byte));
    at += 2;
  }
  return out;
}

}  // namespace

Status write_path_rules(const std::string& folder, const PathRules& rules) {
  Json list = Json::array();
  for (const PathRule& rule : rules) {
    Json one = {{"path", to_text(rule.path)}, {"kind", path_kind_name(rule.kind)}};
    if (!rule.name.empty()) one["name"] = to_text(rule.name);
    list.push_back(std::move(one));
  }
  const Json json = {{"version", kVersion}, {"paths", std::move(list)}};
  return write_file_durably(folder + "/paths.json", json.dump(2) + "\n", 0600);
}

Result<PathRules> read_path_rules(const std::string& folder) {
  const std::string path = folder + "/paths.json";
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return PathRules();
  Json json;
  TRY(read_json(path, json));
  PathRules out;
  const auto list = json.find("paths");
  if (list == json.end() || !list->is_array()) return wrong_field(path, "paths");
  for (const Json& one : *list) {
    if (!one.is_object()) return wrong_field(path, "paths");
    Fields fields{one, {}};
    const auto where = to_bytes(fields.text("path"));
    const auto name = one.contains("name") ? to_bytes(fields.text("name")) : std::string();
    const auto kind = kind_named(fields.text("kind"));
    if (!fields.wrong.empty() || !where || !name || !kind) return wrong_field(path, "paths");
    out.push_back({*where, *name, *kind});
  }
  return out;
}

}  // namespace devrun::storage
