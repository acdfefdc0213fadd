#include "controller/storage/change_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/base/parse_number.h"
#include "common/runtime/file.h"
#include "common/tree/reads.h"

namespace devrun::storage {

namespace {

constexpr int kVersion = 1;
constexpr size_t kRecordBytesMax = size_t{64} << 20;
using Json = nlohmann::ordered_json;

// Paths are any bytes, JSON is UTF-8: what is no plain ASCII is written as %XX.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '%') {
      fmt::format_to(std::back_inserter(out), "%{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size()) {
      out.push_back(static_cast<char>(std::strtol(text.substr(at + 1, 2).c_str(), nullptr, 16)));
      at += 2;
    } else {
      out.push_back(text[at]);
    }
  }
  return out;
}

Result<Json*> parse(const std::string& path, Json& json) {
  const std::string text = TRY(read_file(path, kRecordBytesMax));
  json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("version", 0) != kVersion) {
    return Error{Code::kCorrupt, fmt::format("{} is not a version {} record", path, kVersion), {}};
  }
  return &json;
}

Digest digest_of(const Json& json, const char* name) {
  return Digest::from_hex(json.value(name, std::string())).value_or(Digest{});
}

std::string hex(const Digest& digest) {
  return digest.is_zero() ? "" : digest.hex();
}

std::optional<AttemptKey> key_of(const std::string& job, const std::string& rest) {
  const size_t task_end = rest.find('.');
  const size_t rank_end = rest.find('.', task_end == std::string::npos ? task_end : task_end + 1);
  if (rank_end == std::string::npos) return std::nullopt;
  const std::string name =
      fmt::format("{}_{}.{}#{}", job, rest.substr(0, task_end),
                  rest.substr(task_end + 1, rank_end - task_end - 1), rest.substr(rank_end + 1));
  const Result<AttemptKey> key = parse_folder_name(name);
  return key ? std::optional(*key) : std::nullopt;
}

// Names of what is in a folder; none if there is none.
Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    out.push_back(entry.path().filename().string());
  }
  if (failed && failed.value() != ENOENT) return errno_error("read " + folder, failed.value());
  return out;
}

Result<std::vector<AttemptKey>> keys_with(const std::string& jobs, const std::string& job,
                                          const char* file) {
  std::vector<AttemptKey> out;
  for (const std::string& name : TRY(names_in(jobs + "/" + job))) {
    const std::optional<AttemptKey> key = key_of(job, name);
    if (!key) continue;
    if (::access((attempt_folder(jobs, *key) + "/" + file).c_str(), F_OK) == 0) {
      out.push_back(*key);
    }
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

std::string attempt_folder(const std::string& jobs, const AttemptKey& key) {
  const std::string task = key.task == kNoTask ? "-" : std::to_string(key.task);
  return fmt::format("{}/{}/{}.{}.{}", jobs, key.job, task, key.rank, key.attempt);
}

Status write_change_set(const std::string& jobs, const ChangeSet& set) {
  Json conflicts = Json::array();
  for (const std::string& path : set.conflicts) conflicts.push_back(escaped(path));
  const Json json = {{"version", kVersion},
                     {"volume", set.volume},
                     {"root", hex(set.root)},
                     {"left", hex(set.left)},
                     {"taken", hex(set.taken)},
                     {"given", hex(set.given)},
                     {"whole", hex(set.whole)},
                     {"complete", set.complete},
                     {"applies", set.applies},
                     {"changed_us", set.changed.us},
                     {"conflicts", std::move(conflicts)}};
  const std::string folder = attempt_folder(jobs, set.key);
  TRY(make_folders(folder, 0700));
  return write_file_durably(folder + "/changes", json.dump() + "\n", 0600);
}

Status write_failed_reads(const std::string& jobs, const AttemptKey& key, std::string_view reads) {
  const std::string folder = attempt_folder(jobs, key);
  TRY(make_folders(folder, 0700));
  return write_file_durably(folder + "/failed.reads", reads, 0600);
}

Result<std::string> read_failed_reads(const std::string& jobs, const AttemptKey& key) {
  return read_file(attempt_folder(jobs, key) + "/failed.reads", tree::kReadsBytesMax + 1);
}

Result<ChangeSet> read_change_set(const std::string& jobs, const AttemptKey& key) {
  const std::string path = attempt_folder(jobs, key) + "/changes";
  Json json;
  if (Result<Json*> read = parse(path, json); !read) {
    if (read.error().code != Code::kNotFound) return read.error();
    return Error{Code::kNotFound, fmt::format("there is no change set of {}", to_string(key)),
                 fmt::format("devrun show {}", to_string(key.task_key()))};
  }
  ChangeSet out;
  out.key = key;
  out.volume = json.value("volume", std::string());
  out.root = digest_of(json, "root");
  out.left = digest_of(json, "left");
  out.taken = digest_of(json, "taken");
  out.given = digest_of(json, "given");
  out.whole = digest_of(json, "whole");
  out.complete = json.value("complete", false);
  out.applies = json.value("applies", false);
  out.changed = Time{json.value("changed_us", int64_t{0})};
  for (const Json& text : json.value("conflicts", Json::array())) {
    if (text.is_string()) out.conflicts.push_back(unescaped(text.get<std::string>()));
  }
  if (out.root.is_zero() || out.left.is_zero() || out.taken.is_zero()) {
    return Error{Code::kCorrupt, path + " names no trees", {}};
  }
  return out;
}

Result<std::vector<AttemptKey>> change_sets_of(const std::string& jobs, JobId job) {
  return keys_with(jobs, std::to_string(job), "changes");
}

Result<std::vector<AttemptKey>> all_change_sets(const std::string& jobs) {
  std::vector<AttemptKey> out;
  for (const std::string& job : TRY(names_in(jobs))) {
    for (const AttemptKey& key : TRY(keys_with(jobs, job, "changes"))) out.push_back(key);
  }
  return out;
}

Result<AttemptsThere> attempts_there(const std::string& jobs,
                                     const std::function<bool(JobId)>& wanted) {
  AttemptsThere out;
  for (const std::string& name : TRY(names_in(jobs))) {
    const std::optional<JobId> job = parse_number<JobId>(name);
    if (!job) continue;
    out.newest = std::max(out.newest, *job);
    if (!wanted(*job)) continue;
    for (const std::string& attempt : TRY(names_in(jobs + "/" + name))) {
      if (const auto key = key_of(name, attempt)) out.attempts.push_back(*key);
    }
  }
  return out;
}

Status write_applying(const std::string& jobs, const Applying& applying) {
  const Json json = {{"version", kVersion},          {"volume", applying.volume},
                     {"now", applying.now.hex()},    {"wanted", applying.wanted.hex()},
                     {"tag", escaped(applying.tag)}, {"taken_ns", applying.taken_ns}};
  const std::string folder = attempt_folder(jobs, applying.key);
  TRY(make_folders(folder, 0700));
  return write_file_durably(folder + "/applying", json.dump() + "\n", 0600);
}

Status remove_applying(const std::string& jobs, const AttemptKey& key) {
  const std::string path = attempt_folder(jobs, key) + "/applying";
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path, errno);
  return ok();
}

Result<std::vector<Applying>> all_applying(const std::string& jobs) {
  std::vector<Applying> out;
  for (const std::string& job : TRY(names_in(jobs))) {
    for (const AttemptKey& key : TRY(keys_with(jobs, job, "applying"))) {
      Json json;
      TRY(parse(attempt_folder(jobs, key) + "/applying", json));
      out.push_back({key, json.value("volume", std::string()), digest_of(json, "now"),
                     digest_of(json, "wanted"), unescaped(json.value("tag", std::string())),
                     json.value("taken_ns", int64_t{0})});
    }
  }
  return out;
}

}  // namespace devrun::storage
