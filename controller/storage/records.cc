#include "controller/storage/records.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

constexpr int kVersion = 1;
constexpr size_t kRecordBytesMax = 64 << 10;
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

}  // namespace

Status write_volume_record(const std::string& folder, const VolumeRecord& record) {
  const Json json = {{"version", kVersion},
                     {"name", record.name},
                     {"owner", record.owner},
                     {"lineage", to_hex(record.lineage)},
                     {"created_us", record.created.us},
                     {"quota_bytes", record.quota_bytes}};
  return write_file_durably(folder + "/volume.json", json.dump(2) + "\n", 0600);
}

Result<VolumeRecord> read_volume_record(const std::string& folder) {
  const std::string path = folder + "/volume.json";
  Json json;
  TRY(read_json(path, json));
  Fields fields{json, {}};
  VolumeRecord out{fields.text("name"), fields.text("owner"), fields.bytes16("lineage"),
                   Time{fields.number("created_us")},
                   json.contains("quota_bytes") ? fields.number("quota_bytes") : 0};
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

}  // namespace devrun::storage
