#include "controller/access/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/runtime/file.h"

namespace devrun::controller {

namespace {

std::string shown(Time at) {
  const auto seconds = static_cast<std::time_t>(at.us / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", std::string_view(text, n), at.us % 1'000'000 / 1000);
}

}  // namespace

std::string audit_line(const AuditEntry& entry) {
  nlohmann::ordered_json json = {{"time", shown(entry.at)},
                                 {"who", in_utf8(entry.who)},
                                 {"role", entry.role},
                                 {"from", in_utf8(entry.from)},
                                 {"call", entry.call}};
  if (!entry.via.empty()) json["via"] = in_utf8(entry.via);
  nlohmann::ordered_json about = nlohmann::ordered_json::object();
  for (const auto& [name, value] : entry.about) {
    auto parsed = nlohmann::ordered_json::parse(value, nullptr, false);
    about[name] =
        parsed.is_discarded() ? nlohmann::ordered_json(in_utf8(value)) : std::move(parsed);
  }
  json["about"] = std::move(about);
  json["result"] = entry.begun ? "begun" : entry.error.empty() ? "ok" : "failed";
  if (!entry.error.empty()) json["error"] = in_utf8(entry.error);
  json["ms"] = entry.took.us / 1000;
  return json.dump() + "\n";
}

Result<std::unique_ptr<AuditFiles>> AuditFiles::open(std::string file, AuditLimits limits) {
  std::unique_ptr<AuditFiles> out(new AuditFiles(std::move(file), limits));
  TRY(out->begin_file());
  return out;
}

Status AuditFiles::begin_file() {
  fd_ = TRY(open_file(file_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  struct stat st {};
  if (::fstat(fd_.get(), &st) != 0) return errno_error(file_, errno);
  bytes_ = static_cast<size_t>(st.st_size);
  return ok();
}

// A name that cannot be moved stays: then the file grows beyond its bound rather than lose a line.
void AuditFiles::rotate() {
  for (int n = limits_.files_max - 1; n >= 1; --n) {
    const std::string from = n == 1 ? file_ : fmt::format("{}.{}", file_, n - 1);
    if (::rename(from.c_str(), fmt::format("{}.{}", file_, n).c_str()) != 0 && errno != ENOENT) {
      log::error("{}: {}", from, errno_error("rename", errno).message);
    }
  }
}

Status AuditFiles::write(const std::string& line) {
  if (!fd_) TRY(begin_file());
  if (bytes_ > 0 && bytes_ + line.size() > limits_.file_bytes_max) {
    rotate();
    TRY(begin_file());
  }
  const Status written = write_all(fd_.get(), line);
  if (written) {
    bytes_ += line.size();
  } else if (::ftruncate(fd_.get(), static_cast<off_t>(bytes_)) != 0) {
    fd_.reset();
  }
  return written;
}

void AuditFiles::append(const std::string& line) {
  const std::lock_guard lock(mutex_);
  const Status written = write(line);
  if (!written && !failed_) {
    log::error("{}: {}; what is changed is not recorded", file_, written.error().message);
  }
  failed_ = !written;
}

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& folder, AuditLimits limits) {
  auto out = std::make_unique<AuditLog>();
  out->done_ = TRY(AuditFiles::open(folder + "/audit.jsonl", limits));
  out->refused_ = TRY(AuditFiles::open(folder + "/audit-refused.jsonl", limits));
  return out;
}

void AuditLog::write(const AuditEntry& entry) {
  (entry.refused ? refused_ : done_)->append(audit_line(entry));
}

}  // namespace devrun::controller
