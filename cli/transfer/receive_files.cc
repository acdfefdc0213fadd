// The receiving half of file_stream.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "cli/transfer/file_stream.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr uint32_t kPieceBytesMax = 1 << 20;
constexpr uint32_t kPathBytesMax = 64 << 10;
constexpr uint64_t kFileBytesMax = uint64_t{1} << 62;

Error broken(const std::string& why) {
  return {Code::kCorrupt, "the files do not come as they should: " + why, {}};
}

struct Head {
  char kind = 0;
  uint32_t mode = 0;
  int64_t mtime_ns = 0;
  std::string path;
};

timespec time_of(int64_t ns) {
  timespec out{};
  out.tv_sec = ns / 1'000'000'000;
  out.tv_nsec = ns % 1'000'000'000;
  if (out.tv_nsec < 0) {
    out.tv_nsec += 1'000'000'000;
    --out.tv_sec;
  }
  return out;
}

class Receiver {
 public:
  explicit Receiver(int in) : in_(in) {}

  Result<Copied> receive(const std::string& destination, const std::string& name) {
    if (TRY(bytes(6)) != "DRCP1\n") return broken("no such stream");
    TRY(choose_place(destination, name));
    for (;;) {
      Head head;
      head.kind = TRY(bytes(1))[0];
      if (head.kind == 'e') break;
      const std::string numbers = TRY(bytes(12));
      std::memcpy(&head.mode, numbers.data(), 4);
      std::memcpy(&head.mtime_ns, numbers.data() + 4, 8);
      head.path = TRY(text());
      TRY(take(head));
    }
    // Last: what was put into them has changed their times, and a folder may be read-only.
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) TRY(settle(*folder));
    return copied_;
  }

 private:
  // The folder below which all is made, and the name of the whole in it.
  Status choose_place(const std::string& destination, const std::string& name) {
    struct stat st {};
    if (::stat(destination.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
      base_ = TRY(open_file(destination, O_RDONLY | O_DIRECTORY));
      top_ = name;
      return ok();
    }
    std::string path = destination;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    top_ = slash == std::string::npos ? path : path.substr(slash + 1);
    base_ = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
    return ok();
  }

  Status take(const Head& head) {
    const std::string path = head.path.empty() ? top_ : top_ + "/" + head.path;
    const size_t slash = path.rfind('/');
    const UniqueFd parent =
        TRY(folder_at(slash == std::string::npos ? "." : path.substr(0, slash)));
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (name.empty() || name == "." || name == "..") return broken("a name is missing");
    switch (head.kind) {
      case 'd':
        return make_folder(parent.get(), name, path, head);
      case 'f':
        return make_file(parent.get(), name, path, head);
      case 'l':
        return make_link(parent.get(), name, path);
      default:
        return broken("an entry of a kind that is not known");
    }
  }

  // Below the base, through no link: the sender cannot lead us elsewhere.
  Result<UniqueFd> folder_at(const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd(
        static_cast<int>(::syscall(SYS_openat2, base_.get(), path.c_str(), &how, sizeof how)));
    if (!fd) return errno_error("open " + path, errno);
    return fd;
  }

  Status make_folder(int parent, const std::string& name, const std::string& path,
                     const Head& head) {
    constexpr uint32_t kWhileFilled = 0700;
    if (::mkdirat(parent, name.c_str(), kWhileFilled) != 0 && errno != EEXIST) {
      return errno_error("make " + path, errno);
    }
    TRY(folder_at(path));  // it is one
    folders_.push_back({path, head.mode, head.mtime_ns});
    return ok();
  }

  // Under a name of its own until it is whole: a copy that is interrupted leaves what was there.
  Status make_file(int parent, const std::string& name, const std::string& path, const Head& head) {
    struct stat st {};
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
      return is_folder_here(path);
    }
    const std::string unfinished = fmt::format(".devrun-cp.{}", ::getpid());
    ::unlinkat(parent, unfinished.c_str(), 0);
    const UniqueFd fd(::openat(parent, unfinished.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return errno_error("make " + path, errno);
    Status made = fill_file(fd.get(), path, head);
    if (made && ::renameat(parent, unfinished.c_str(), parent, name.c_str()) != 0) {
      made = errno_error("replace " + path, errno);
    }
    if (!made) ::unlinkat(parent, unfinished.c_str(), 0);
    return made;
  }

  // Returns how many bytes the file has.
  Result<uint64_t> take_content(int fd, const std::string& path) {
    for (uint64_t at = 0;;) {
      const uint32_t length = TRY(number());
      if (length == 0) return at;
      if (length == kHolePiece) {
        const uint64_t hole = TRY(long_number());
        if (hole > kFileBytesMax - at) return broken("a hole is too long");
        at += hole;
        if (::lseek(fd, static_cast<off_t>(at), SEEK_SET) < 0) {
          return errno_error("write " + path, errno);
        }
        continue;
      }
      if (length > kPieceBytesMax) return broken("a piece is too long");
      const std::string piece = TRY(bytes(length));
      if (Status wrote = write_all(fd, piece); !wrote) {
        return std::move(wrote).error().context(path);
      }
      at += length;
    }
  }

  Status fill_file(int fd, const std::string& path, const Head& head) {
    const uint64_t size = TRY(take_content(fd, path));
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return errno_error("write " + path, errno);
    copied_.bytes += size;
    ++copied_.files;
    const timespec times[2] = {{0, UTIME_OMIT}, time_of(head.mtime_ns)};
    // Set-uid bits were the job's user's to give, not ours.
    if (::fchmod(fd, head.mode & 0777) != 0 || ::futimens(fd, times) != 0) {
      return errno_error("set mode and time of " + path, errno);
    }
    return ok();
  }

  Status make_link(int parent, const std::string& name, const std::string& path) {
    const std::string target = TRY(text());
    TRY(remove_old(parent, name, path));
    if (::symlinkat(target.c_str(), parent, name.c_str()) != 0) {
      return errno_error("make the link " + path, errno);
    }
    ++copied_.files;
    return ok();
  }

  static Error is_folder_here(const std::string& path) {
    return {Code::kExists, path + " is a folder here and none in the job", {}};
  }

  Status remove_old(int parent, const std::string& name, const std::string& path) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return ok();
    if (errno == EISDIR || errno == EPERM) return is_folder_here(path);
    return errno_error("replace " + path, errno);
  }

  struct Folder {
    std::string path;
    uint32_t mode;
    int64_t mtime_ns;
  };
  Status settle(const Folder& folder) {
    const UniqueFd fd = TRY(folder_at(folder.path));
    const timespec times[2] = {{0, UTIME_OMIT}, time_of(folder.mtime_ns)};
    if (::fchmod(fd.get(), folder.mode & 0777) != 0 || ::futimens(fd.get(), times) != 0) {
      return errno_error("set mode and time of " + folder.path, errno);
    }
    return ok();
  }

  Result<std::string> bytes(size_t count) {
    std::string out(count, '\0');
    for (size_t have = 0; have < count;) {
      const ssize_t n = ::read(in_, out.data() + have, count - have);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read the files", errno);
      if (n == 0) return broken("they end early");
      have += static_cast<size_t>(n);
    }
    return out;
  }
  Result<uint32_t> number() {
    const std::string raw = TRY(bytes(4));
    uint32_t out = 0;
    std::memcpy(&out, raw.data(), sizeof out);
    return out;
  }
  Result<uint64_t> long_number() {
    const std::string raw = TRY(bytes(8));
    uint64_t out = 0;
    std::memcpy(&out, raw.data(), sizeof out);
    return out;
  }
  Result<std::string> text() {
    const uint32_t length = TRY(number());
    if (length > kPathBytesMax) return broken("a path is too long");
    std::string out = TRY(bytes(length));
    if (out.find('\0') != std::string::npos) return broken("a path with a NUL");
    return out;
  }

  const int in_;
  UniqueFd base_;
  std::string top_;
  std::vector<Folder> folders_;
  Copied copied_;
};

}  // namespace

Result<Copied> receive_files(int in, const std::string& destination, const std::string& name) {
  return Receiver(in).receive(destination, name);
}

}  // namespace devrun::cli
