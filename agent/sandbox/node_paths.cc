#include "agent/sandbox/node_paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/own_places.h"
#include "agent/sandbox/remove_tree.h"
#include "common/base/digest.h"
#include "common/base/log.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/tree/codec.h"

namespace devrun::sandbox {

namespace {

constexpr const char* kOpaque = "trusted.overlay.opaque";
constexpr int kDepthMax = 500;  // each level holds two descriptors
constexpr size_t kNodePathsMax = 32;
constexpr int64_t kBlockBytes = 512;

constexpr std::string_view kGoing = ".going-";

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_opaque(int folder) {
  char value = 0;
  return ::fgetxattr(folder, kOpaque, &value, 1) == 1 && value == 'y';
}

Result<UniqueFd> open_folder(int parent, const char* name) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error(fmt::format("open {}", name), errno);
  return fd;
}

std::string path_of(int folder, const char* name) {
  return fmt::format("/proc/self/fd/{}/{}", folder, name);
}

// Moves the entries of one folder of an upper into the same folder of the layer below it, so that
// the two show the same as before.
class Merging {
 public:
  Status folder(int from, int to);
  int64_t bytes_replaced() const { return replaced_; }

 private:
  Status entry(int from, int to, const char* name);
  Status take_looks(int from, int to);

  int64_t replaced_ = 0;
  int depth_ = 0;
};

// Of all that is in it.
int64_t bytes_below(const std::string& folder) {
  int64_t out = 0;
  std::error_code failed;
  for (std::filesystem::recursive_directory_iterator at(folder, failed), end; at != end && !failed;
       at.increment(failed)) {
    struct stat st {};
    if (::lstat(at->path().c_str(), &st) == 0) out += st.st_blocks * kBlockBytes;
  }
  return out;
}

Status Merging::take_looks(int from, int to) {
  struct stat st {};
  if (::fstat(from, &st) != 0) return errno_error("look at a folder", errno);
  const timespec times[2] = {st.st_atim, st.st_mtim};
  if (::fchown(to, st.st_uid, st.st_gid) != 0 || ::fchmod(to, st.st_mode & 07777) != 0 ||
      ::futimens(to, times) != 0) {
    return errno_error("give a folder its owner and mode", errno);
  }
  return ok();
}

Status Merging::entry(int from, int to, const char* name) {
  struct stat ours {};
  struct stat there {};
  if (::fstatat(from, name, &ours, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? ok() : Status(errno_error(fmt::format("look at {}", name), errno));
  }
  const bool is_there = ::fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (S_ISDIR(ours.st_mode)) {
    const UniqueFd fd = TRY(open_folder(from, name));
    if (is_there && S_ISDIR(there.st_mode) && !is_opaque(fd.get())) {
      const UniqueFd below = TRY(open_folder(to, name));
      TRY(folder(fd.get(), below.get()));
      TRY(take_looks(fd.get(), below.get()));
      if (::unlinkat(from, name, AT_REMOVEDIR) != 0) return errno_error("remove a folder", errno);
      return ok();
    }
    // What hid the snapshot's goes, and the folder hides it in its place.
    if (is_there && ::fsetxattr(fd.get(), kOpaque, "y", 1, 0) != 0) {
      return errno_error("make a folder opaque", errno);
    }
  }
  if (is_there) replaced_ += there.st_blocks * kBlockBytes;
  if (is_there && S_ISDIR(there.st_mode)) {
    replaced_ += bytes_below(path_of(to, name));
    TRY(remove_tree(path_of(to, name)));
  } else if (is_there && S_ISDIR(ours.st_mode) && ::unlinkat(to, name, 0) != 0) {
    return errno_error(fmt::format("remove {}", name), errno);
  }
  if (::renameat(from, name, to, name) != 0) {
    return errno_error(fmt::format("keep {}", name), errno);
  }
  return ok();
}

Status Merging::folder(int from, int to) {
  if (depth_ >= kDepthMax) return Error{Code::kExhausted, "folders are nested too deeply", {}};
  ++depth_;
  // Its own descriptor: reading moves it.
  const int again = ::openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return errno_error("open a folder", errno);
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(again));
  if (!dir) return errno_error("read a folder", errno);
  std::vector<std::string> names;
  while (const dirent* found = ::readdir(dir.get())) {
    if (std::strcmp(found->d_name, ".") != 0 && std::strcmp(found->d_name, "..") != 0) {
      names.emplace_back(found->d_name);
    }
  }
  for (const std::string& name : names) TRY(entry(from, to, name.c_str()));
  --depth_;
  return ok();
}

int64_t read_bytes(const std::string& folder) {
  const auto lines = read_lines(folder + "/bytes");
  int64_t out = 0;
  if (lines && !lines->empty()) {
    std::from_chars(lines->front().data(), lines->front().data() + lines->front().size(), out);
  }
  return out;
}

// One at a time merges into it.
Result<UniqueFd> lock_folder(const std::string& folder) {
  UniqueFd lock = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return errno_error("lock " + folder, errno);
  }
  return lock;
}

bool is_on_another_disk(const std::string& a, const std::string& b) {
  struct stat one {};
  struct stat other {};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 &&
         one.st_dev != other.st_dev;
}

// Of another attempt's end it may be under way, too.
void finish_removing(const std::string& going) {
  const Status removed = remove_tree(going);
  if (!removed) log::info("{}: {}: next time", going, removed.error().message);
}

std::string what_of(const AttemptSpec& spec, const std::string& path) {
  return fmt::format("{}\n{}\n{}\n{}\n", spec.user, spec.root.volume, spec.program.caller.uid,
                     path);
}

}  // namespace

std::string NodePaths::id_of(const AttemptSpec& spec, const std::string& path) {
  return tree::sha256(what_of(spec, path)).hex().substr(0, 32);
}

Result<std::string> NodePaths::open(const AttemptSpec& spec, const std::string& path) const {
  const std::string id = id_of(spec, path);
  // Its time is that of the last use. Each launch comes here for each path: most of them find all as it should be, and a
  // file that is made anew costs much more than a look.
  const std::string bytes = folder(id) + "/bytes";
  if (::utimensat(AT_FDCWD, bytes.c_str(), nullptr, 0) == 0) return id;
  if (errno != ENOENT) return errno_error("mark the use of " + bytes, errno);
  TRY(make_folders(folder(id) + "/kept", 0700));
  TRY(write_file_atomically(folder(id) + "/what", what_of(spec, path)));
  TRY(write_lines(bytes, {"0"}));  // last: it says that all the rest is there
  return id;
}

Status NodePaths::merge(const std::string& id, const std::string& upper) const {
  // The most common job has written nothing there.
  if (::rmdir(upper.c_str()) == 0 || errno == ENOENT) return ok();
  const UniqueFd lock = TRY(lock_folder(folder(id)));
  std::string from = upper;
  if (is_on_another_disk(upper, folder(id))) {
    from = folder(id) + "/incoming";
    TRY(remove_tree(from));
    TRY(run_checked({"cp", "-a", "--", upper, from}, ""));
  }
  const UniqueFd source = TRY(open_file(from, O_RDONLY | O_DIRECTORY));
  const UniqueFd target = TRY(open_file(folder(id) + "/kept", O_RDONLY | O_DIRECTORY));
  const int64_t arriving = bytes_below(from);
  Merging merging;
  TRY(merging.folder(source.get(), target.get()));
  const int64_t bytes =
      std::max<int64_t>(read_bytes(folder(id)) + arriving - merging.bytes_replaced(), 0);
  TRY(write_lines(folder(id) + "/bytes", {std::to_string(bytes)}));
  TRY(remove_tree(from));
  return remove_tree(upper);
}

Status NodePaths::evict(int64_t bytes_max,
                        const std::function<std::vector<std::string>()>& ids_in_use) const {
  struct Found {
    std::string id;
    int64_t bytes = 0;
    int64_t used_ns = 0;
  };
  std::vector<Found> all;
  int64_t sum = 0;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) {
    const std::string id = entry.path().filename().string();
    if (id.starts_with(kGoing)) {
      finish_removing(folder(id));
      continue;
    }
    struct stat st {};
    ::stat((folder(id) + "/bytes").c_str(), &st);
    all.push_back(
        {id, read_bytes(folder(id)), st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec});
    sum += all.back().bytes;
  }
  if (sum <= bytes_max) return ok();
  const std::vector<std::string> in_use = ids_in_use();
  std::ranges::sort(all, {}, &Found::used_ns);
  for (const Found& one : all) {
    if (sum <= bytes_max) break;
    if (std::ranges::count(in_use, one.id) != 0) continue;
    log::info("node path {} goes: {} bytes are kept, {} may be", one.id, sum, bytes_max);
    // At once, or a job that comes now would find a part of it.
    const std::string going = folder(std::string(kGoing) + one.id);
    if (::rename(folder(one.id).c_str(), going.c_str()) != 0 && errno != ENOENT) {
      return errno_error("remove " + folder(one.id), errno);
    }
    finish_removing(going);
    sum -= one.bytes;
  }
  return ok();
}

std::vector<std::string> node_paths_of(const AttemptSpec& spec,
                                       const std::vector<std::string>& mounted) {
  std::vector<std::string> wanted;
  for (const PathRule& rule : spec.paths) {
    if (rule.kind != PathKind::kNode || !rule.name.empty()) continue;
    // A later rule may say otherwise of the same path.
    if (kind_of_path(spec.paths, rule.path) == PathKind::kNode) wanted.push_back(rule.path);
  }
  std::ranges::sort(wanted, {}, [](const std::string& path) { return path.size(); });
  std::vector<std::string> out;
  for (const std::string& path : wanted) {
    const auto has = [&](const std::string& folder) { return is_below(path, folder); };
    if (std::ranges::any_of(out, has) || std::ranges::any_of(mounted, has)) continue;
    if (out.size() < kNodePathsMax) out.push_back(path);
  }
  return out;
}

}  // namespace devrun::sandbox
