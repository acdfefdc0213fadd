#include "controller/storage/catalog.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>

#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kLogBytesMax = size_t{1} << 30;
constexpr size_t kNameDigitsMin = 4;
constexpr size_t kDeadLinesMax = 10'000;

std::string line_of(const SnapshotRecord& record) {
  Json json = {{"number", record.number},        {"tree", record.tree.hex()},
               {"taken_us", record.taken.us},    {"files", record.files},
               {"bytes", record.bytes},          {"changed_bytes", record.changed_bytes},
               {"generation", record.generation}};
  if (record.pinned) json["pinned"] = true;
  if (!record.message.empty()) json["message"] = record.message;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string pin_line(uint64_t number, const std::string& message) {
  const Json json = {{"pin", number}, {"message", message}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <typename T>
bool number_of(const Json& json, const char* name, T& out) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_integer()) return false;
  out = found->get<T>();
  return true;
}

std::string message_of(const Json& json) {
  const auto found = json.find("message");
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<SnapshotRecord> record_of(const Json& json) {
  SnapshotRecord out;
  const auto tree = json.find("tree");
  if (tree == json.end() || !tree->is_string()) return std::nullopt;
  const std::optional<Digest> id = Digest::from_hex(tree->get<std::string>());
  const bool whole = id && number_of(json, "number", out.number) && out.number > 0 &&
                     number_of(json, "taken_us", out.taken.us) &&
                     number_of(json, "files", out.files) && number_of(json, "bytes", out.bytes) &&
                     number_of(json, "changed_bytes", out.changed_bytes) &&
                     number_of(json, "generation", out.generation);
  if (!whole) return std::nullopt;
  out.tree = *id;
  const auto pinned = json.find("pinned");
  out.pinned = pinned != json.end() && *pinned == Json(true);
  out.message = message_of(json);
  return out;
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(const std::string& folder) {
  TRY(make_folders(folder + "/snapshots", 0700));
  std::unique_ptr<Catalog> out(new Catalog(folder + "/snapshots/log"));
  TRY(out->read(true));
  return out;
}

Result<std::unique_ptr<Catalog>> Catalog::open_to_read(const std::string& folder) {
  std::unique_ptr<Catalog> out(new Catalog(folder + "/snapshots/log"));
  TRY(out->read(false));
  return out;
}

Status Catalog::read(bool mend) {
  if (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT) return ok();
  const std::string text = TRY(read_file(path_, kLogBytesMax));
  size_t at = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    TRY(apply(text.substr(at, end - at)));
    at = end + 1;
  }
  bytes_ = at;
  if (mend && at < text.size() && ::truncate(path_.c_str(), static_cast<off_t>(at)) != 0) {
    return errno_error(fmt::format("truncate {}", path_), errno);
  }
  return ok();
}

Status Catalog::apply(const std::string& line) {
  ++lines_;
  const Error wrong{Code::kCorrupt, fmt::format("line {} of {} is damaged", lines_, path_),
                    "devrun-controller fsck"};
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return wrong;
  uint64_t number = 0;
  if (number_of(json, "remove", number)) {
    if (records_.erase(number) == 0) return wrong;
  } else if (number_of(json, "pin", number)) {
    const auto found = records_.find(number);
    if (found == records_.end()) return wrong;
    found->second.pinned = true;
    found->second.message = message_of(json);
  } else if (number_of(json, "last_number", number)) {
    last_number_ = std::max(last_number_, number);
  } else {
    const std::optional<SnapshotRecord> record = record_of(json);
    if (!record || record->number <= last_number_) return wrong;
    last_number_ = record->number;
    records_.emplace(record->number, *record);
  }
  return ok();
}

Status Catalog::drop_rest(int file) const {
  struct stat st {};
  if (::fstat(file, &st) != 0) return errno_error(fmt::format("stat {}", path_), errno);
  if (static_cast<size_t>(st.st_size) == bytes_) return ok();
  if (static_cast<size_t>(st.st_size) < bytes_) {
    return Error{Code::kCorrupt, fmt::format("{} has become shorter", path_),
                 "devrun-controller fsck"};
  }
  if (::ftruncate(file, static_cast<off_t>(bytes_)) != 0) {
    return errno_error(fmt::format("truncate {}", path_), errno);
  }
  return ok();
}

Status Catalog::append(const std::string& lines) {
  const UniqueFd file = TRY(open_file(path_, O_WRONLY | O_CREAT | O_APPEND, 0600));
  TRY(drop_rest(file.get()));
  Status done = write_all(file.get(), lines);
  if (done && ::fsync(file.get()) != 0) done = errno_error(fmt::format("fsync {}", path_), errno);
  if (!done) {
    // Whole lines of it must not count after a restart; if this fails, the next call does it.
    (void)drop_rest(file.get());
    return done;
  }
  bytes_ += lines.size();
  return ok();
}

std::vector<SnapshotRecord> Catalog::records() const {
  const std::lock_guard lock(mutex_);
  std::vector<SnapshotRecord> out;
  out.reserve(records_.size());
  for (const auto& [number, record] : records_) out.push_back(record);
  return out;
}

size_t Catalog::count() const {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

uint64_t Catalog::last_number() const {
  const std::lock_guard lock(mutex_);
  return last_number_;
}

std::optional<SnapshotRecord> Catalog::at(uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(number);
  return found == records_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<SnapshotRecord> Catalog::newest() const {
  const std::lock_guard lock(mutex_);
  return records_.empty() ? std::nullopt : std::optional(records_.rbegin()->second);
}

std::optional<SnapshotRecord> Catalog::of_generation(uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  // One that is asked for is among the last ones.
  for (auto at = records_.rbegin(); generation != 0 && at != records_.rend(); ++at) {
    if (at->second.generation == generation) return at->second;
    if (at->second.generation < generation) break;
  }
  return std::nullopt;
}

Result<SnapshotRecord> Catalog::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  uint64_t number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) {
    const auto found = records_.find(number);
    if (found != records_.end()) return found->second;
  }
  const bool is_hex = name.find_first_not_of("0123456789abcdef") == std::string::npos;
  const SnapshotRecord* one = nullptr;
  for (auto at = records_.rbegin();
       is_hex && name.size() >= kNameDigitsMin && at != records_.rend(); ++at) {
    if (!at->second.tree.hex().starts_with(name)) continue;
    if (one != nullptr && one->tree != at->second.tree) {
      return Error{Code::kConflict, fmt::format("several snapshots' trees begin with {}", name),
                   "devrun snapshot ls"};
    }
    if (one == nullptr) one = &at->second;
  }
  if (one != nullptr) return *one;
  return Error{Code::kNotFound, fmt::format("there is no snapshot {}", name), "devrun snapshot ls"};
}

Status Catalog::add(std::span<const SnapshotRecord> records) {
  const std::lock_guard lock(mutex_);
  std::string lines;
  for (const SnapshotRecord& record : records) lines += line_of(record);
  if (lines.empty()) return ok();
  TRY(append(lines));
  for (const SnapshotRecord& record : records) {
    records_.emplace(record.number, record);
    last_number_ = std::max(last_number_, record.number);
  }
  lines_ += records.size();
  return ok();
}

Status Catalog::pin(uint64_t number, const std::string& message) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(number);
  if (found == records_.end()) {
    return Error{Code::kNotFound, fmt::format("there is no snapshot {}", number),
                 "devrun snapshot ls"};
  }
  TRY(append(pin_line(number, message)));
  ++lines_;
  found->second.pinned = true;
  found->second.message = message;
  return ok();
}

Status Catalog::remove(std::span<const uint64_t> numbers) {
  const std::lock_guard lock(mutex_);
  std::string lines;
  for (const uint64_t number : numbers) {
    if (records_.contains(number)) lines += Json{{"remove", number}}.dump() + "\n";
  }
  if (lines.empty()) return ok();
  TRY(append(lines));
  for (const uint64_t number : numbers) lines_ += records_.erase(number);
  return rewrite_if_mostly_removed();
}

// So that opening stays cheap however many snapshots there ever were.
Status Catalog::rewrite_if_mostly_removed() {
  if (lines_ < 2 * records_.size() + kDeadLinesMax) return ok();
  std::string text;
  size_t lines = 1;
  for (const auto& [number, record] : records_) {
    text += line_of(record);
    ++lines;
  }
  text += Json{{"last_number", last_number_}}.dump() + "\n";
  TRY(write_file_durably(path_, text, 0600));
  lines_ = lines;
  bytes_ = text.size();
  return ok();
}

}  // namespace devrun::storage
