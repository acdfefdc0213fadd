#include "common/runtime/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

namespace devrun {

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return errno_error(fmt::format("open {}", path), errno);
  return UniqueFd(fd);
}

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const UniqueFd fd = TRY(open_file(path, O_RDONLY));
  std::string out;
  char buffer[64 << 10];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(fmt::format("read {}", path), errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > bytes_max) {
      return Error{
          Code::kExhausted, fmt::format("{} is larger than {} bytes", path, bytes_max), {}};
    }
  }
}

Status write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", errno);
    data.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

namespace {

Status replace_file(const std::string& path, std::string_view data, mode_t mode, bool durable) {
  const std::string temporary = fmt::format("{}.new.{}", path, ::gettid());
  const UniqueFd fd = TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (Status wrote = write_all(fd.get(), data); !wrote) {
    ::unlink(temporary.c_str());
    return std::move(wrote).error().context(path);
  }
  if (durable && ::fsync(fd.get()) != 0) return errno_error(fmt::format("fsync {}", path), errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int saved = errno;
    ::unlink(temporary.c_str());
    return errno_error(fmt::format("rename to {}", path), saved);
  }
  if (!durable) return ok();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return sync_folder(folder.empty() ? "." : folder);
}

}  // namespace

Status write_file_durably(const std::string& path, std::string_view data, mode_t mode) {
  return replace_file(path, data, mode, true);
}

Status write_file_atomically(const std::string& path, std::string_view data, mode_t mode) {
  return replace_file(path, data, mode, false);
}

Status sync_folder(const std::string& path) {
  const UniqueFd fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return errno_error(fmt::format("fsync {}", path), errno);
  return ok();
}

Status make_folders(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return ok();
  if (errno == EEXIST) {
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return ok();
    return Error{Code::kExists, fmt::format("{} exists and is not a folder", path), {}};
  }
  if (errno != ENOENT) return errno_error(fmt::format("mkdir {}", path), errno);
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (parent.empty() || parent == path) return errno_error(fmt::format("mkdir {}", path), ENOENT);
  TRY(make_folders(parent, mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return errno_error(fmt::format("mkdir {}", path), errno);
  }
  return ok();
}

Status make_private_folder(const std::string& path) {
  TRY(make_folders(path, 0700));
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & 07777) == 0700) return ok();
  if (::chmod(path.c_str(), 0700) == 0) return ok();
  return errno_error(fmt::format("make {} private", path), errno);
}

}  // namespace devrun
