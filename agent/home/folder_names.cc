#include "agent/home/folder_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace devrun::home {

namespace {

constexpr size_t kNamesBytesMax = size_t{2} << 30;  // of one folder: ten million files
constexpr size_t kXattrBytesMax = 1 << 20;          // of one entry
constexpr size_t kStepBytesMax = 4000;              // of a path in one call
constexpr std::string_view kOverlay = "trusted.overlay.";

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENODATA;
}

Result<std::string> value_of(const std::string& path, const char* name) {
  std::string out(256, '\0');
  for (;;) {
    const ssize_t n = ::lgetxattr(path.c_str(), name, out.data(), out.size());
    if (n >= 0) {
      out.resize(static_cast<size_t>(n));
      return out;
    }
    if (errno != ERANGE || out.size() > XATTR_SIZE_MAX) {
      return errno_error(fmt::format("read xattr {}", name), errno);
    }
    out.resize(out.size() * 4);
  }
}

Status take_mark(const std::string& path, const char* name, Marks& out) {
  const std::string_view mark = std::string_view(name).substr(kOverlay.size());
  if (mark == "opaque") {
    out.opaque = TRY(value_of(path, name)) == "y";  // "x": there may be whiteouts that are files
  } else if (mark == "whiteout") {
    out.whiteout = true;
  } else if (mark == "origin") {
    out.origin = true;
  } else if (mark == "metacopy") {
    out.metacopy = true;
  } else if (mark == "redirect") {
    out.redirect = TRY(value_of(path, name));
  }
  return ok();
}

Status take_marks(const std::string& path, const std::string& names, Marks& out) {
  size_t bytes = 0;
  for (size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    const char* const name = names.c_str() + at;
    if (std::string_view(name).starts_with(kOverlay)) {
      TRY(take_mark(path, name, out));
      continue;
    }
    if (std::string_view(name).starts_with("btrfs."))
      continue;  // the disk's, which no other can set
    out.others.push_back({name, TRY(value_of(path, name))});
    bytes += out.others.back().value.size();
    if (bytes > kXattrBytesMax) {
      return Error{Code::kInvalid, "it has extended attributes of more than 1 MiB",
                   "remove some of them, with setfattr -x"};
    }
  }
  std::ranges::sort(out.others);
  return ok();
}

}  // namespace

Result<FolderNames> FolderNames::read(int folder) {
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return errno_error("open a folder", errno);
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(again));
  if (!dir) {
    ::close(again);
    return errno_error("read a folder", errno);
  }
  FolderNames out;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (out.bytes_.size() + name.size() > kNamesBytesMax) {
      return Error{Code::kExhausted, "a folder has names of more than 2 GiB", {}};
    }
    out.starts_.push_back(static_cast<uint32_t>(out.bytes_.size()));
    out.bytes_.append(name);
    out.bytes_.push_back('\0');
  }
  if (errno != 0) return errno_error("read a folder", errno);
  std::ranges::sort(out.starts_, [&](uint32_t a, uint32_t b) {
    return std::strcmp(out.bytes_.c_str() + a, out.bytes_.c_str() + b) < 0;
  });
  return out;
}

// By a path through the folder's descriptor: there is no *xattrat before kernel 6.13.
Result<Marks> read_marks(int folder, const char* name) {
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  Marks out;
  std::string names(256, '\0');
  ssize_t size = 0;
  while ((size = ::llistxattr(path.c_str(), names.data(), names.size())) < 0) {
    if (errno == ENOTSUP || is_gone(errno)) return out;
    if (errno != ERANGE || names.size() > XATTR_LIST_MAX) return errno_error("list xattrs", errno);
    names.resize(names.size() * 4);
  }
  names.resize(static_cast<size_t>(size));
  if (names.empty()) return out;
  TRY(take_marks(path, names, out));
  return out;
}

Result<UniqueFd> open_below(int root, std::string_view path, int flags) {
  UniqueFd at;
  while (true) {
    std::string_view step = path;
    if (step.size() > kStepBytesMax) step = path.substr(0, path.rfind('/', kStepBytesMax));
    path.remove_prefix(std::min(path.size(), step.size() + 1));
    open_how how{};
    how.flags =
        O_CLOEXEC | O_NOFOLLOW | static_cast<uint64_t>(path.empty() ? flags : O_PATH | O_DIRECTORY);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    const std::string name = step.empty() ? "." : std::string(step);
    const int from = at ? at.get() : root;
    UniqueFd next(static_cast<int>(::syscall(SYS_openat2, from, name.c_str(), &how, sizeof how)));
    if (!next && is_gone(errno)) return Error{Code::kNotFound, "it is gone", {}};
    if (!next) return errno_error(fmt::format("open {}", name), errno);
    at = std::move(next);
    if (path.empty()) return at;
  }
}

}  // namespace devrun::home
