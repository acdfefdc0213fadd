#include "controller/rpc/output_keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "common/base/log.h"
#include "common/base/parse_number.h"
#include "common/runtime/file.h"
#include "controller/storage/remove_tree.h"

namespace devrun::controller {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kGoing = ".going.";
constexpr const char* kOutput = "output";
constexpr const char* kUnknown = ".unknown";

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (auto at = fs::directory_iterator(folder, failed); !failed && at != fs::directory_iterator();
       at.increment(failed)) {
    out.push_back(at->path().filename().string());
  }
  if (failed && failed.value() != ENOENT) return errno_error("read " + folder, failed.value());
  return out;
}

Time written(const struct stat& st) {
  return {st.st_mtim.tv_sec * 1'000'000LL + st.st_mtim.tv_nsec / 1000};
}

struct Found {
  int64_t bytes = 0;  // of output
  Time newest;        // when anything in it was written last
};

// What has gone meanwhile counts for nothing.
Result<Found> look(const std::string& folder) {
  Found out;
  const auto see = [&out](const std::string& path, bool counts) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return;
    out.newest = std::max(out.newest, written(st));
    if (counts) out.bytes += st.st_size;
  };
  see(folder, false);
  for (const std::string& attempt : TRY(names_in(folder))) {
    see(folder + "/" + attempt, false);
    for (const char* file : {kOutput, "changes", "applying"}) {
      see(fmt::format("{}/{}/{}", folder, attempt, file), file == kOutput);
    }
  }
  return out;
}

}  // namespace

Result<Time> OutputKeeper::unknown_since(const std::string& job, Time now) const {
  const std::string mark = fmt::format("{}/{}/{}", jobs_path_, job, kUnknown);
  struct stat st {};
  if (::lstat(mark.c_str(), &st) == 0) return written(st);
  if (errno != ENOENT) return errno_error("look at " + mark, errno);
  TRY(write_file_atomically(mark, "", 0600));
  const timespec when{now.us / 1'000'000, 0};
  const timespec both[] = {when, when};
  if (::utimensat(AT_FDCWD, mark.c_str(), both, 0) != 0) return errno_error("touch " + mark, errno);
  return now;
}

Status OutputKeeper::remove_job(const std::string& job) {
  const std::string going = fmt::format("{}/{}{}", jobs_path_, kGoing, job);
  if (::rename(fmt::format("{}/{}", jobs_path_, job).c_str(), going.c_str()) != 0) {
    return errno_error("rename to " + going, errno);
  }
  return finish_going();
}

Status OutputKeeper::remove_output(const std::string& job) {
  const std::string folder = fmt::format("{}/{}", jobs_path_, job);
  for (const std::string& attempt : TRY(names_in(folder))) {
    const std::string path = fmt::format("{}/{}/{}", folder, attempt, kOutput);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
      return errno_error("remove " + path, errno);
    }
  }
  return ok();
}

Status OutputKeeper::finish_going() {
  const UniqueFd jobs = TRY(open_file(jobs_path_, O_RDONLY | O_DIRECTORY));
  for (const std::string& name : TRY(names_in(jobs_path_))) {
    if (name.starts_with(kGoing)) TRY(storage::remove_tree(jobs.get(), name));
  }
  return ok();
}

Result<OutputKeeper::Passed> OutputKeeper::pass(const Owners& owners, JobId next, Time now,
                                                const std::atomic<bool>& stop) {
  Passed out;
  std::unordered_map<JobId, int64_t> bytes;
  const auto is_over = [&](Time since, Duration keep) {
    return keep_.us != 0 && since + keep < now;
  };
  for (const std::string& name : TRY(names_in(jobs_path_))) {
    if (stop) return Error{Code::kCancelled, "the controller stops", {}};
    const std::optional<JobId> job = parse_number<JobId>(name);
    if (!job || *job >= next) continue;
    const auto owner = owners.find(*job);
    const bool is_known = owner != owners.end();
    const bool has_ended = is_known && owner->second.ended.us != 0;
    if (const auto before = bytes_.find(*job); has_ended && before != bytes_.end()) {
      if (before->second == 0 || !is_over(owner->second.ended, keep_)) {
        bytes.insert(*before);
        out.bytes[owner->second.user] += before->second;
        continue;
      }
    }
    const Found found = TRY(look(fmt::format("{}/{}", jobs_path_, name)));
    bool goes = has_ended && is_over(owner->second.ended, keep_);
    if (is_known) {
      ::unlink(fmt::format("{}/{}/{}", jobs_path_, name, kUnknown).c_str());
    } else {
      const Time since = TRY(unknown_since(name, now));
      goes = is_over(std::max(since, found.newest), keep_unknown_);
    }
    if (goes) {
      TRY(is_known ? remove_output(name) : remove_job(name));
      if (found.bytes > 0 || !is_known) ++out.removed;
      if (is_known) bytes[*job] = 0;
      continue;
    }
    out.bytes[is_known ? owner->second.user : std::string()] += found.bytes;
    if (has_ended) bytes[*job] = found.bytes;
  }
  bytes_ = std::move(bytes);
  TRY(finish_going());
  return out;
}

}  // namespace devrun::controller
