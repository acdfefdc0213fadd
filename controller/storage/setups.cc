#include "controller/storage/setups.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

constexpr int kVersion = 1;
constexpr size_t kRecordBytesMax = 64 << 10;
using Json = nlohmann::ordered_json;

Digest digest_of(const Json& json, const char* name) {
  return Digest::from_hex(json.value(name, std::string())).value_or(Digest{});
}

Result<SetupRecord> read_record(const std::string& path) {
  const std::string text = TRY(read_file(path, kRecordBytesMax));
  const Json json = Json::parse(text, nullptr, false);
  SetupRecord out;
  if (json.is_object() && json.value("version", 0) == kVersion) {
    out.job = json.value("job", JobId{0});
    out.volume = json.value("volume", std::string());
    out.which.key = digest_of(json, "key");
    out.which.family = digest_of(json, "family");
    out.plain = digest_of(json, "plain");
    out.left = digest_of(json, "left");
    out.used = Time{json.value("used_us", int64_t{0})};
  }
  if (out.job == 0 || out.plain.is_zero() || out.left.is_zero() || out.which.key.is_zero()) {
    return Error{Code::kCorrupt, fmt::format("{} is no record of a setup step", path), {}};
  }
  return out;
}

Result<std::vector<SetupRecord>> read_folder(const std::string& folder) {
  std::vector<SetupRecord> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    if (entry.path().extension() != ".json") continue;
    Result<SetupRecord> record = read_record(entry.path().string());
    if (record) out.push_back(std::move(*record));
  }
  if (failed && failed.value() != ENOENT) return errno_error("read " + folder, failed.value());
  return out;
}

}  // namespace

std::string Setups::path(const SetupRecord& record, const char* ending) const {
  return fmt::format("{}/{}/{}{}", folder_, record.which.family.hex(), record.job, ending);
}

Status Setups::write(const SetupRecord& record) {
  const Json json = {{"version", kVersion},
                     {"job", record.job},
                     {"volume", record.volume},
                     {"key", record.which.key.hex()},
                     {"family", record.which.family.hex()},
                     {"plain", record.plain.hex()},
                     {"left", record.left.hex()},
                     {"used_us", record.used.us}};
  return write_file_durably(path(record, ".json"), json.dump() + "\n", 0600);
}

Status Setups::keep(const SetupRecord& record, const tree::Reads& reads) {
  const std::lock_guard lock(mutex_);
  TRY(make_folders(fmt::format("{}/{}", folder_, record.which.family.hex()), 0700));
  TRY(write_file_durably(path(record, ".reads"), tree::encode_reads(reads), 0600));
  return write(record);
}

Result<std::vector<SetupRecord>> Setups::of_family(const Digest& family) const {
  std::vector<SetupRecord> out = TRY(read_folder(fmt::format("{}/{}", folder_, family.hex())));
  std::ranges::sort(out, std::ranges::greater{}, &SetupRecord::job);
  if (out.size() > kFamilyMax) out.resize(kFamilyMax);
  return out;
}

Result<tree::Reads> Setups::reads(const SetupRecord& record) const {
  const std::string bytes = TRY(read_file(path(record, ".reads"), tree::kReadsBytesMax + 1));
  return tree::decode_reads(bytes);
}

void Setups::use(SetupRecord record) {
  constexpr Duration kTold = seconds(3600);
  const Time now = record.used;
  const std::lock_guard lock(mutex_);
  const Result<SetupRecord> known = read_record(path(record, ".json"));
  if (!known || now < known->used + kTold) return;  // removed meanwhile, or told already
  [[maybe_unused]] const Status written = write(record);
}

Status Setups::remove(const SetupRecord& record) {
  for (const char* ending : {".json", ".reads"}) {
    const std::string file = path(record, ending);
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + file, errno);
  }
  return ok();
}

Result<std::vector<SetupRecord>> Setups::collect(Duration age, Time now) {
  const std::lock_guard lock(mutex_);
  std::vector<SetupRecord> all;
  std::error_code failed;
  for (const auto& family : std::filesystem::directory_iterator(folder_, failed)) {
    Result<std::vector<SetupRecord>> read = read_folder(family.path().string());
    if (!read) {
      // Its trees may go: a record whose trees are not there is no hit.
      log::warning("setups: {}", read.error().message);
      continue;
    }
    std::vector<SetupRecord> of = std::move(*read);
    std::ranges::sort(of, std::ranges::greater{}, &SetupRecord::job);
    for (size_t i = 0; i < of.size(); ++i) {
      if (i < kFamilyMax && now < of[i].used + age) {
        all.push_back(of[i]);
      } else {
        TRY(remove(of[i]));
      }
    }
  }
  if (failed && failed.value() != ENOENT) return errno_error("read " + folder_, failed.value());
  std::ranges::sort(all, std::ranges::greater{}, &SetupRecord::used);
  while (all.size() > kRecordsMax) {
    TRY(remove(all.back()));
    all.pop_back();
  }
  return all;
}

}  // namespace devrun::storage
