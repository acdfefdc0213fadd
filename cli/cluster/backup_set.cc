#include "cli/cluster/backup_set.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/version.h"
#include "common/runtime/file.h"
#include "common/runtime/file_digest.h"

namespace devrun::cluster {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kSums = "SHA256SUMS";
constexpr size_t kListBytesMax = size_t{1} << 30;
constexpr size_t kHexDigits = 64;
constexpr const char* kConfigurationFolder = "/etc/devrun";
const std::string kOurs = "etc/";
const std::string kElsewhere = "elsewhere/";

Error damaged(const std::string& what) {
  return {Code::kCorrupt, fmt::format("the backup is damaged: {}", what), "another backup"};
}

// Below the folder, whatever a list says.
bool is_plain(const std::string& path) {
  if (path.empty() || path.front() == '/') return false;
  const fs::path parts(path);
  return std::none_of(parts.begin(), parts.end(),
                      [](const fs::path& part) { return part == ".."; });
}

Result<std::map<std::string, Digest>> read_sums(const std::string& folder) {
  Result<std::string> text = read_file(folder + "/" + kSums, kListBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, fmt::format("{} is no backup: it has no {}", folder, kSums),
                 "devrun backup DIR, which makes one"};
  }
  const std::string all = TRY(std::move(text));
  std::string_view rest = all;
  std::map<std::string, Digest> out;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    // "<digest>  <path>", as sha256sum writes it.
    const auto digest = Digest::from_hex(line.substr(0, std::min(kHexDigits, line.size())));
    const std::string path(line.substr(std::min(kHexDigits + 2, line.size())));
    if (end == std::string_view::npos || !digest || !is_plain(path)) {
      return damaged(fmt::format("a line of {}", kSums));
    }
    out.emplace(path, *digest);
    rest.remove_prefix(end + 1);
  }
  return out;
}

Result<BackupManifest> read_manifest(const std::string& folder, size_t& files) {
  const std::string text = TRY(read_file(folder + "/" + kManifest));
  BackupManifest out;
  try {
    const Json json = Json::parse(text);
    if (json.at("format").get<int>() != kFormat) {
      return Error{Code::kUnsupported,
                   fmt::format("the backup has format {}, and this devrun ({}) knows format {}",
                               json.at("format").get<int>(), kVersion, kFormat),
                   "the devrun that took it: " + json.at("devrun").get<std::string>()};
    }
    out.version = json.at("devrun").get<std::string>();
    out.taken = Time{json.at("taken_us").get<int64_t>()};
    out.next_job = json.at("next_job").get<uint64_t>();
    out.volumes = json.at("volumes").get<uint64_t>();
    out.keys = json.at("keys").get<bool>();
    out.bytes = json.at("bytes").get<uint64_t>();
    files = json.at("files").get<size_t>();
  } catch (const nlohmann::json::exception&) {
    return damaged(kManifest);
  }
  return out;
}

Status check_file(const std::string& folder, const std::string& path, const Digest& expected) {
  const Result<Digest> found = sha256_of_file(folder + "/" + path);
  if (!found && found.error().code == Code::kNotFound) return damaged(path + " is missing");
  if (!found) return found.error();
  return *found == expected ? ok() : Status(damaged(path + " has other bytes than it had"));
}

}  // namespace

std::string place_of_configuration(const std::string& file) {
  const fs::path path = fs::path(file).lexically_normal();
  const bool is_ours = path.parent_path() == kConfigurationFolder;
  return is_ours ? kOurs + path.filename().string() : kElsewhere + path.relative_path().string();
}

std::string configuration_at(const std::string& place) {
  if (place.starts_with(kOurs)) {
    return fmt::format("{}/{}", kConfigurationFolder, place.substr(kOurs.size()));
  }
  return place.starts_with(kElsewhere) ? "/" + place.substr(kElsewhere.size()) : std::string();
}

Status seal_backup(const std::string& folder, BackupManifest& manifest) {
  std::error_code failed;
  manifest.files.clear();
  manifest.bytes = 0;
  manifest.version = kVersion;
  for (auto at = fs::recursive_directory_iterator(folder, failed);
       !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    if (!at->is_regular_file()) continue;
    const std::string path = at->path().lexically_relative(folder).string();
    manifest.files.emplace(path, TRY(sha256_of_file(at->path().string())));
    manifest.bytes += at->file_size();
  }
  if (failed) return errno_error("read " + folder, failed.value());
  const Json json = {{"format", kFormat},
                     {"devrun", manifest.version},
                     {"taken_us", manifest.taken.us},
                     {"next_job", manifest.next_job},
                     {"volumes", manifest.volumes},
                     {"keys", manifest.keys},
                     {"files", manifest.files.size()},
                     {"bytes", manifest.bytes}};
  const std::string path = folder + "/" + kManifest;
  TRY(write_file_atomically(path, json.dump(2) + "\n", 0600));
  std::string sums = fmt::format("{}  {}\n", TRY(sha256_of_file(path)).hex(), kManifest);
  for (const auto& [file, digest] : manifest.files) {
    sums += fmt::format("{}  {}\n", digest.hex(), file);
  }
  TRY(write_file_durably(folder + "/" + kSums, sums, 0600));
  const UniqueFd root = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  if (::syncfs(root.get()) != 0) return errno_error("sync " + folder, errno);
  return ok();
}

Result<BackupManifest> check_backup(const std::string& folder) {
  std::map<std::string, Digest> sums = TRY(read_sums(folder));
  for (const auto& [path, digest] : sums) TRY(check_file(folder, path, digest));
  if (sums.erase(kManifest) == 0)
    return damaged(fmt::format("{} does not name {}", kSums, kManifest));
  size_t files = 0;
  BackupManifest out = TRY(read_manifest(folder, files));
  if (files != sums.size()) {
    return damaged(fmt::format("{} names {} files instead of {}", kSums, sums.size(), files));
  }
  std::vector<std::string> needed = {"controller/journal.db", "controller/history.db",
                                     "pki/ca.crt"};
  if (out.keys) needed.insert(needed.end(), {"pki/ca.key", "controller/seal.key"});
  for (const std::string& path : needed) {
    if (!sums.contains(path)) return damaged(fmt::format("it was taken without {}", path));
  }
  out.files = std::move(sums);
  return out;
}

Status copy_durably(const std::string& from, const std::string& to, uint32_t mode) {
  const std::string half = to + ".new";
  std::error_code failed;
  fs::copy_file(from, half, fs::copy_options::overwrite_existing, failed);
  if (failed) return errno_error(fmt::format("copy {} to {}", from, half), failed.value());
  const UniqueFd file = TRY(open_file(half, O_RDONLY));
  if (mode != 0 && ::fchmod(file.get(), mode) != 0) return errno_error("chmod " + half, errno);
  if (::fsync(file.get()) != 0) return errno_error("sync " + half, errno);
  if (::rename(half.c_str(), to.c_str()) != 0) return errno_error("rename to " + to, errno);
  return sync_folder(fs::path(to).parent_path().string());
}

bool have_same_bytes(const std::string& one, const std::string& other) {
  const Result<Digest> a = sha256_of_file(one);
  const Result<Digest> b = sha256_of_file(other);
  return a && b && *a == *b;
}

}  // namespace devrun::cluster
