// The sending half of file_stream.h.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "cli/transfer/file_stream.h"
#include "common/runtime/file.h"
#include "common/tree/holes.h"

namespace devrun::cli {

namespace {

constexpr size_t kPieceBytes = 64 << 10;
constexpr int kDepthMax = 256;

class Sender {
 public:
  Sender(int out, const std::function<void(const std::string&)>& word, const LeaveOut& leave_out)
      : out_(out), word_(word), leave_out_(leave_out) {}

  Status send(const std::string& path) {
    TRY(write_all(out_, "DRCP1\n"));
    TRY(entry(AT_FDCWD, path, "", path, 0));
    return write_all(out_, "e");
  }

 private:
  // `name` below the folder `at`; `path` is what the receiver calls it, `shown` what people do.
  Status entry(int at, const std::string& name, const std::string& path, const std::string& shown,
               int depth) {
    struct stat st {};
    if (::fstatat(at, name.c_str(), &st, depth == 0 ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
      return refused("look at", shown, depth);
    }
    if (depth > 0 && leave_out_ && leave_out_(path, S_ISDIR(st.st_mode))) return ok();
    if (S_ISDIR(st.st_mode)) return folder(at, name, path, shown, st, depth);
    if (S_ISREG(st.st_mode)) return file(at, name, path, shown, st, depth);
    if (!S_ISLNK(st.st_mode)) {
      word_(shown + " is a socket, a pipe or a device: left out");
      return ok();
    }
    std::string target(static_cast<size_t>(PATH_MAX), '\0');
    const ssize_t n = ::readlinkat(at, name.c_str(), target.data(), target.size());
    if (n < 0) return refused("read the link", shown, depth);
    target.resize(static_cast<size_t>(n));
    TRY(head('l', st, path));
    return text(target);
  }

  Status folder(int at, const std::string& name, const std::string& path, const std::string& shown,
                const struct stat& st, int depth) {
    if (depth >= kDepthMax) {
      word_(shown + " lies too deep: left out");
      return ok();
    }
    const int fd = ::openat(at, name.c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth == 0 ? 0 : O_NOFOLLOW));
    if (fd < 0) return refused("open", shown, depth);
    DIR* listing = ::fdopendir(fd);
    std::vector<std::string> names;
    while (const dirent* one = ::readdir(listing)) {
      const std::string_view child(one->d_name);
      if (child != "." && child != "..") names.emplace_back(child);
    }
    std::sort(names.begin(), names.end());
    Status sent = head('d', st, path);
    for (size_t i = 0; sent && i < names.size(); ++i) {
      sent = entry(fd, names[i], path.empty() ? names[i] : path + "/" + names[i],
                   shown + "/" + names[i], depth + 1);
    }
    ::closedir(listing);
    return sent;
  }

  Status file(int at, const std::string& name, const std::string& path, const std::string& shown,
              const struct stat& st, int depth) {
    const UniqueFd fd(::openat(at, name.c_str(),
                               O_RDONLY | O_CLOEXEC | O_NONBLOCK | (depth == 0 ? 0 : O_NOFOLLOW)));
    if (!fd) return refused("open", shown, depth);
    TRY(head('f', st, path));
    return content(fd.get(), shown);
  }

  Status content(int file, const std::string& shown) {
    struct stat st {};
    if (::fstat(file, &st) != 0) return errno_error("look at " + shown, errno);
    tree::Holes holes(file, static_cast<uint64_t>(st.st_size));
    std::string piece(kPieceBytes, '\0');
    for (uint64_t at = 0;;) {
      if (const uint64_t hole = holes.at(at); hole >= kPieceBytes) {
        TRY(number(kHolePiece));
        TRY(write_all(out_, {reinterpret_cast<const char*>(&hole), sizeof hole}));
        at += hole;
        continue;
      }
      const ssize_t n = ::pread(file, piece.data(), piece.size(), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read " + shown, errno);
      TRY(number(static_cast<uint32_t>(n)));
      if (n == 0) return ok();
      TRY(write_all(out_, std::string_view(piece).substr(0, static_cast<size_t>(n))));
      at += static_cast<uint64_t>(n);
    }
  }

  // What was asked for itself is an error; what is below it is left out.
  Status refused(const std::string& what, const std::string& shown, int depth) {
    const Error error = errno_error(what + " " + shown, errno);
    if (depth == 0) return error;
    if (errno != ENOENT) word_(error.message + ": left out");
    return ok();
  }

  Status head(char kind, const struct stat& st, const std::string& path) {
    const int64_t mtime = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
    const uint32_t mode = st.st_mode & 07777;
    std::string bytes(1, kind);
    bytes.append(reinterpret_cast<const char*>(&mode), sizeof mode);
    bytes.append(reinterpret_cast<const char*>(&mtime), sizeof mtime);
    TRY(write_all(out_, bytes));
    return text(path);
  }

  Status text(const std::string& bytes) {
    TRY(number(static_cast<uint32_t>(bytes.size())));
    return write_all(out_, bytes);
  }

  Status number(uint32_t value) {
    return write_all(out_, {reinterpret_cast<const char*>(&value), sizeof value});
  }

  const int out_;
  const std::function<void(const std::string&)>& word_;
  const LeaveOut& leave_out_;
};

}  // namespace

Status send_files(const std::string& path, int out,
                  const std::function<void(const std::string&)>& word, const LeaveOut& leave_out) {
  return Sender(out, word, leave_out).send(path);
}

}  // namespace devrun::cli
