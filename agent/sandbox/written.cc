#include "agent/sandbox/written.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <tuple>

#include "agent/sandbox/own_places.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr int kDepthMax = 500;  // each level holds a descriptor

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

std::string xattr(int fd, const char* name) {
  char value[4096];
  const ssize_t n = ::fgetxattr(fd, name, value, sizeof value);
  return n < 0 ? std::string() : std::string(value, static_cast<size_t>(n));
}

class Scan {
 public:
  explicit Scan(const WrittenInput& input) : input_(input) {
    if (input.lower.empty()) return;
    lower_.reset(::open(input.lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  // `inner`: as the job sees it, "" for the root; `below`: the same folder in the lower tree, which a rename makes differ.
  Status folder(UniqueFd fd, const std::string& inner, const std::string& below, bool hides_below);
  WrittenSummary take();

 private:
  Status entry(int parent, const char* name, const std::string& inner, const std::string& below,
               bool hides_below);
  bool in_lower(const std::string& path) const;
  void note(const std::string& path, char kind, int64_t size);

  const WrittenInput& input_;
  UniqueFd lower_;
  int depth_ = 0;
  WrittenSummary summary_;
  // Class (cwd, home, other), path, kind, size; the first kNotableFilesMax of all.
  std::set<std::tuple<int, std::string, char, int64_t>> notable_;
};

// No link on the way is followed: where the job has a folder, the tree may have a link that leads elsewhere.
bool Scan::in_lower(const std::string& path) const {
  if (!lower_) return false;
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, lower_.get(), path.c_str() + 1, &how, sizeof how)));
  return static_cast<bool>(fd);
}

void Scan::note(const std::string& path, char kind, int64_t size) {
  ++summary_.files;
  summary_.bytes += size;
  const int rank = is_below(path, input_.cwd) ? 0 : is_below(path, input_.home) ? 1 : 2;
  notable_.emplace(rank, path, kind, size);
  if (notable_.size() > kNotableFilesMax) notable_.erase(std::prev(notable_.end()));
}

Status Scan::entry(int parent, const char* name, const std::string& inner, const std::string& below,
                   bool hides_below) {
  const std::string path = inner + "/" + name;
  if (is_the_sandboxs(path) || std::ranges::count(input_.bound, path) != 0) return ok();
  const std::string lower_path = below + "/" + name;
  struct stat st {};
  if (::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? ok() : Status(errno_error("look at " + path, errno));
  }
  if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
    note(path, 'D', 0);
    return ok();
  }
  const bool known = !hides_below && in_lower(lower_path);
  if (S_ISLNK(st.st_mode) && is_the_task_folder(path, input_.home)) return ok();
  if (!S_ISDIR(st.st_mode)) {
    note(path, known ? 'M' : 'A', S_ISREG(st.st_mode) ? st.st_size : 0);
    return ok();
  }
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error("open " + path, errno);
  const bool opaque = xattr(fd.get(), "trusted.overlay.opaque") == "y";
  const std::string redirect = xattr(fd.get(), "trusted.overlay.redirect");
  if (!redirect.empty()) {
    note(path, 'A',
         0);  // a folder that was renamed; what is in it and was not touched is not listed
    return folder(std::move(fd), path, redirect.front() == '/' ? redirect : below + "/" + redirect,
                  opaque);
  }
  if (depth_ >= kDepthMax) {
    note(path, 'A', 0);  // and whatever is in it
    return ok();
  }
  const uint64_t before = summary_.files;
  TRY(folder(std::move(fd), path, lower_path, hides_below || opaque || !known));
  const bool empty = summary_.files == before;
  const bool leads_to_bound = std::ranges::any_of(
      input_.bound, [&](const std::string& place) { return is_below(place, path); });
  const bool ours =
      leads_to_bound || leads_to_the_sandboxs(path) || is_the_task_folder(path, input_.home);
  if (!known && empty && !ours) note(path, 'A', 0);  // a new, empty folder
  return ok();
}

Status Scan::folder(UniqueFd fd, const std::string& inner, const std::string& below,
                    bool hides_below) {
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd.get()));
  if (!dir) return errno_error("read " + inner, errno);
  fd.release();
  ++depth_;
  for (;;) {
    errno = 0;
    const dirent* entry_there = ::readdir(dir.get());
    if (entry_there == nullptr) break;
    const char* name = entry_there->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    TRY(entry(::dirfd(dir.get()), name, inner, below, hides_below));
  }
  if (errno != 0) return errno_error("read " + inner, errno);
  --depth_;
  return ok();
}

WrittenSummary Scan::take() {
  for (const auto& [rank, path, kind, size] : notable_) {
    summary_.notable.push_back({path, kind, size});
  }
  return std::move(summary_);
}

}  // namespace

Result<WrittenSummary> scan_written(const WrittenInput& input) {
  Result<UniqueFd> upper = open_file(input.upper, O_RDONLY | O_DIRECTORY);
  if (!upper && upper.error().code == Code::kNotFound) return WrittenSummary{};
  if (!upper) return std::move(upper).error();
  Scan scan(input);
  TRY(scan.folder(std::move(*upper), "", "", false));
  return scan.take();
}

}  // namespace devrun::sandbox
