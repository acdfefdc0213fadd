#include "controller/storage/volume_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/base/check.h"
#include "common/runtime/child.h"
#include "controller/storage/count_entries.h"

namespace devrun::storage {

bool tells_a_step(std::string_view line) {
  if (line.starts_with("W:") || line.starts_with("E:")) return true;
  if (line.starts_with("I: Base system")) return true;
  // `I: Unpacking required packages...`, but not `I: Unpacking libc6:amd64...`
  return line.starts_with("I: ") && line.ends_with("...") && std::ranges::count(line, ' ') >= 3;
}

namespace {

bool is_word(std::string_view word) {
  return !word.empty() && word.front() != '-' &&
         word.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-:") ==
             std::string_view::npos;
}

Status check_words(const FromDebootstrap& source) {
  if (!is_word(source.suite)) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is not the name of a Debian suite", source.suite),
                 "devrun volume create NAME --from-debootstrap bookworm"};
  }
  for (const std::string& package : source.include) {
    if (is_word(package)) continue;
    return Error{Code::kInvalid, fmt::format("'{}' is not the name of a package", package),
                 "--include python3,python3-numpy"};
  }
  return ok();
}

// The line that tells most: debootstrap prefixes its errors with E:.
std::string last_error_of(const std::string& output) {
  std::string out;
  for (size_t at = 0; at < output.size();) {
    const size_t end = std::min(output.find('\n', at), output.size());
    const std::string_view line = std::string_view(output).substr(at, end - at);
    if (!line.empty() && (out.empty() || !out.starts_with("E:") || line.starts_with("E:")))
      out = line;
    at = end + 1;
  }
  return out;
}

// The store is mounted nodev, and debootstrap makes devices and opens them: so it works in a mount namespace of its own,
// where the target allows them. What it mounts there goes with it, however it ends.
constexpr const char* kWithDevices =
    "mount --bind \"$0\" \"$0\" && mount -o remount,bind,dev,suid,exec \"$0\" && "
    "exec debootstrap \"$@\"";
constexpr int kStatusNotFound = 127;
constexpr int64_t kEntriesPerWord = 200;

Status fill(const std::string& live, const FromDebootstrap& source, Work& work) {
  TRY(check_words(source));
  // With a pid namespace, so that whatever it starts ends with it.
  std::vector<std::string> argv{
      "unshare",    "--mount",      "--propagation",    "private", "--pid",
      "--fork",     "--kill-child", "--mount-proc",     "sh",      "-c",
      kWithDevices, live,           "--variant=minbase"};
  if (!source.include.empty()) {
    argv.push_back(fmt::format("--include={}", fmt::join(source.include, ",")));
  }
  argv.push_back(source.suite);
  argv.push_back(live);
  if (const std::string mirror = find_mirror("/etc/apt", source.suite); !mirror.empty()) {
    argv.push_back(mirror);
  }
  ChildOptions options;
  options.line = [&](std::string_view line) {
    tells_a_step(line) ? work.tell(line) : work.tell_passing(line);
  };
  options.hint = "apt-get install util-linux";
  options.stop = &work.stop_flag();
  const ChildResult result = TRY(run_child_with(argv, options));
  if (result.exit_status == kStatusNotFound) {
    return Error{Code::kNotFound, "debootstrap is not installed on the storage host",
                 "apt-get install debootstrap"};
  }
  if (result.exit_status != 0) {
    return Error{
        Code::kIo,
        fmt::format("debootstrap of {} failed: {}", source.suite, last_error_of(result.out)),
        {}};
  }
  // Downloaded packages are of no further use, and every snapshot would carry them.
  std::error_code ignored;
  for (const auto& file :
       std::filesystem::directory_iterator(live + "/var/cache/apt/archives", ignored)) {
    if (file.path().extension() == ".deb") std::filesystem::remove(file.path(), ignored);
  }
  return ok();
}

Status fill(const std::string& live, const FromFolder& source, Work& work) {
  struct stat st {};
  if (source.path.empty() || source.path.front() != '/') {
    return Error{Code::kInvalid, fmt::format("'{}' is not an absolute path", source.path), {}};
  }
  if (::stat(source.path.c_str(), &st) != 0) {
    Error error =
        errno_error(source.path, errno).context("the folder to copy, on the storage host");
    error.hint = fmt::format("ls -ld {}, on the storage host", source.path);
    return error;
  }
  if (!S_ISDIR(st.st_mode)) {
    return Error{Code::kInvalid, fmt::format("{} is not a folder", source.path), {}};
  }
  work.tell(fmt::format("copying {}", source.path));
  Amount amount;
  amount.total = static_cast<int64_t>(count_entries(source.path, st.st_dev));
  ChildOptions options;
  options.line = [&](std::string_view) {  // cp names each
    if (++amount.done % kEntriesPerWord == 0) work.tell_amount("copying entries", amount);
  };
  options.stop = &work.stop_flag();
  // With -a alone it is no error if an attribute cannot be set.
  return run_checked_with({"cp", "-av", "--preserve=xattr", "--reflink=auto", "--one-file-system",
                           "--", source.path + "/.", live},
                          options);
}

Status fill(const std::string& live, const FromArchive& source, Work& work) {
  return unpack_archive(source, live, work);
}

Status fill(const std::string& live, const FromImage& source, Work& work) {
  return unpack_image(source, live, work);
}

Status fill(const std::string&, const Empty&, Work&) {
  return ok();
}

Status fill(const std::string&, const FromVolume&, Work&) {
  CHECK_MSG(false, "a copy of a volume is not a source from outside");
  return ok();
}

}  // namespace

Status fill_volume(const std::string& live, const VolumeSource& source, Work& work) {
  return std::visit([&](const auto& kind) { return fill(live, kind, work); }, source);
}

}  // namespace devrun::storage
