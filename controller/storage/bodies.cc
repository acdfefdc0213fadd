#include "controller/storage/bodies.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/runtime/file.h"
#include "common/tree/body_copy.h"
#include "common/tree/paths.h"
#include "controller/storage/new_file.h"
#include "controller/storage/remove_tree.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

using tree::chunked_body;
using tree::copy_chunks;
using tree::hash_chunks;
using tree::read_start;

namespace {

constexpr mode_t kContentMode = 0444;
constexpr size_t kHashBytes = 32;
constexpr size_t kProvisionalIdBytes = 16;
constexpr size_t kStagedOpenMax = 4096;

// Not more than a part of what the process may have open.
size_t staged_open_max() {
  static const size_t out = [] {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return size_t{0};
    return std::min<size_t>(kStagedOpenMax, files.rlim_cur / 4);
  }();
  return out;
}

bool exists_with_size(const std::string& path, uint64_t size) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && static_cast<uint64_t>(st.st_size) == size;
}

Result<tree::Body> inline_body(int file, uint64_t size) {
  return tree::Body{tree::BodyKind::kInline, TRY(read_start(file, size))};
}

Result<std::string> random_id() {
  std::string out(kProvisionalIdBytes, '\0');
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
    return errno_error("getrandom", errno);
  }
  return out;
}

// Where a clone is not possible (chattr +C, say): a plain copy, synced while its name is still
// temporary.
Status copy_content(int file, uint64_t size, const std::string& path) {
  const std::string temporary = fmt::format("{}.new.{}", path, ::gettid());
  const UniqueFd out =
      TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kContentMode));
  const auto fail = [&](Error error) {
    ::unlink(temporary.c_str());
    return error;
  };
  const Result<std::string> copied = copy_chunks(file, size, out.get());
  if (!copied) return fail(copied.error());
  if (::fsync(out.get()) != 0) return fail(errno_error("fsync a body", errno));
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return fail(errno_error("name a body", errno));
  return ok();
}

}  // namespace

Bodies::Bodies(std::string export_path, uint64_t provisional_bytes_min)
    : export_path_(std::move(export_path)),
      provisional_bytes_min_(provisional_bytes_min),
      hasher_([this](const auto& body, uint64_t size, const auto& stopping) {
        return name_by_content(body, size, stopping);
      }) {}

Result<tree::Body> Bodies::put(int file, uint64_t size, const std::string& provisional_id,
                               const TwinFile* twin) {
  if (size <= tree::kInlineBytesMax) return inline_body(file, size);
  if (size >= provisional_bytes_min_) {
    const tree::Body body{tree::BodyKind::kProvisional, provisional_id};
    if (TRY(place_clone(file, body))) return body;
  }
  Result<std::string> hashed = Error{Code::kConflict, "not read yet", {}};
  if (twin != nullptr) hashed = hash_chunks(twin->descriptor(), size);
  if (!hashed || !twin->is_still(file)) hashed = hash_chunks(file, size);
  const std::string chunk_hashes = TRY(std::move(hashed));
  tree::Body body = chunked_body(chunk_hashes);
  TRY(place(file, size, body, chunk_hashes));
  return body;
}

// False if it cannot be cloned.
Result<bool> Bodies::place_clone(int file, const tree::Body& body) {
  uses_.note(tree::body_path(body));
  const std::string path = fmt::format("{}/{}", export_path_, tree::body_path(body));
  const UniqueFd content = TRY(unnamed_file());
  if (::ioctl(content.get(), FICLONE, file) != 0) return false;
  // One that is there is a rebuild's: the same file, cloned from the same instant.
  if (link_unnamed(content.get(), AT_FDCWD, path) != 0 && errno != EEXIST) {
    return errno_error("name a body", errno);
  }
  return true;
}

void Bodies::drop_clone(const tree::Body& body) {
  const std::string path = fmt::format("{}/{}", export_path_, tree::body_path(body));
  ::unlink(path.c_str());
  const std::lock_guard lock(mutex_);
  const auto staged = staged_.find(path);
  if (staged == staged_.end()) return;
  if (!staged->second.path.empty()) ::unlink(staged->second.path.c_str());
  staged_.erase(staged);
}

Result<tree::Body> Bodies::name_by_content(const tree::Body& provisional, uint64_t size,
                                           const std::function<bool()>& stopping) {
  const std::string path = fmt::format("{}/{}", export_path_, tree::body_path(provisional));
  const UniqueFd file = TRY(open_file(path, O_RDONLY));
  const std::string chunk_hashes = TRY(hash_chunks(file.get(), size, stopping));
  tree::Body body = chunked_body(chunk_hashes);
  if (!takes_) {
    TRY(place(file.get(), size, body, chunk_hashes));
    return body;
  }
  UniqueFd content = TRY(unnamed_file());
  if (!try_clone(file.get(), content.get())) TRY(copy_chunks(file.get(), size, content.get()));
  TRY(take_hashed(std::move(content), body, chunk_hashes));
  return body;
}

bool Bodies::has(const tree::Body& body, uint64_t size) {
  const auto is_there = [this](const std::string& relative, uint64_t bytes) {
    const std::string path = fmt::format("{}/{}", export_path_, relative);
    if (exists_with_size(path, bytes)) return true;
    const std::lock_guard lock(mutex_);
    return staged_.contains(path);
  };
  uses_.note(tree::body_path(body));
  const uint64_t chunks = (size + tree::kChunkBytes - 1) / tree::kChunkBytes;
  return is_there(tree::body_path(body), size) &&
         (chunks <= 1 || is_there(tree::chunk_list_path(body), chunks * kHashBytes));
}

std::optional<tree::Body> Bodies::hashed(const ProvisionalFile& file) {
  const std::optional<tree::Body> body = hasher_.hashed(file.body);
  if (!body) return std::nullopt;
  if (has(*body, file.size)) return body;
  hasher_.forget(file.body);
  hasher_.hash_later(file.body, file.size);
  return std::nullopt;
}

Status Bodies::place(int file, uint64_t size, const tree::Body& body,
                     const std::string& chunk_hashes) {
  uses_.note(tree::body_path(body));
  const std::string path = fmt::format("{}/{}", export_path_, tree::body_path(body));
  if (chunk_hashes.size() > kHashBytes) {
    TRY(place_chunk_list(fmt::format("{}/{}", export_path_, tree::chunk_list_path(body)),
                         chunk_hashes));
  }
  if (exists_with_size(path, size)) return ok();
  const std::string folder = path.substr(0, path.rfind('/'));
  const UniqueFd content = TRY(open_file(folder, O_TMPFILE | O_RDWR, kContentMode));
  if (::ioctl(content.get(), FICLONE, file) != 0) return copy_content(file, size, path);
  if (link_unnamed(content.get(), AT_FDCWD, path) == 0) return ok();
  if (errno != EEXIST) return errno_error("name a body", errno);
  // Another thread was faster; anything of another size is damage, and is replaced.
  return exists_with_size(path, size) ? ok() : copy_content(file, size, path);
}

Status Bodies::place_chunk_list(const std::string& path, const std::string& chunk_hashes) {
  if (exists_with_size(path, chunk_hashes.size())) return ok();
  TRY(write_file_atomically(path, chunk_hashes, kContentMode));
  const std::lock_guard lock(mutex_);
  unsynced_.push_back(path);
  return ok();
}

Result<UniqueFd> Bodies::unnamed_file() const {
  return open_file(export_path_ + "/content/new", O_TMPFILE | O_RDWR, kContentMode);
}

bool Bodies::try_clone(int file, int clone) {
  if (!clones_) return false;
  if (::ioctl(clone, FICLONE, file) == 0) return true;
  // Other errors are about this one file.
  if (errno == EOPNOTSUPP || errno == ENOTTY) clones_ = false;
  return false;
}

Result<tree::Body> Bodies::take(int file, uint64_t size, const std::function<bool()>& held_still) {
  const auto changed = [] {
    return Error{Code::kConflict, "the file changed while it was read", {}};
  };
  if (size <= tree::kInlineBytesMax) {
    tree::Body body = TRY(inline_body(file, size));
    if (!held_still()) return changed();
    return body;
  }
  takes_ = true;
  UniqueFd content = TRY(unnamed_file());
  const bool cloned = try_clone(file, content.get());
  std::string chunk_hashes;
  if (!cloned) chunk_hashes = TRY(copy_chunks(file, size, content.get()));
  if (!held_still()) return changed();
  if (cloned && size >= provisional_bytes_min_) {
    const tree::Body body{tree::BodyKind::kProvisional, TRY(random_id())};
    uses_.note(tree::body_path(body));
    TRY(stage(std::move(content), fmt::format("{}/{}", export_path_, tree::body_path(body))));
    return body;
  }
  // The clone is hashed, not what it was made of: that may be changing again.
  if (cloned) chunk_hashes = TRY(hash_chunks(content.get(), size));
  tree::Body body = chunked_body(chunk_hashes);
  TRY(take_hashed(std::move(content), body, chunk_hashes));
  return body;
}

Status Bodies::take_hashed(UniqueFd content, const tree::Body& body,
                           const std::string& chunk_hashes) {
  uses_.note(tree::body_path(body));
  if (chunk_hashes.size() > kHashBytes) {
    const std::string path = fmt::format("{}/{}", export_path_, tree::chunk_list_path(body));
    if (!exists_with_size(path, chunk_hashes.size())) {
      UniqueFd list = TRY(unnamed_file());
      TRY(write_all(list.get(), chunk_hashes));
      TRY(stage(std::move(list), path));
    }
  }
  // One that is there by then stays (name_finally).
  return stage(std::move(content), fmt::format("{}/{}", export_path_, tree::body_path(body)));
}

// Unnamed, while not too many are: a name it gets but once then.
Status Bodies::stage(UniqueFd content, const std::string& final_path) {
  const std::lock_guard lock(mutex_);
  if (staged_.contains(final_path)) return ok();  // by somebody else, and the same
  Staged one{std::move(content), {}};
  if (staged_.size() >= staged_open_max()) {
    one.path = TRY(name_for_now(one.file, final_path));
    one.file.reset();
  }
  staged_.emplace(final_path, std::move(one));
  return ok();
}

Result<std::string> Bodies::name_for_now(const UniqueFd& content,
                                         const std::string& final_path) const {
  std::string out =
      fmt::format("{}/content/new/{}", export_path_, final_path.substr(final_path.rfind('/') + 1));
  // One that is there was staged by somebody else, and is the same.
  if (link_unnamed(content.get(), AT_FDCWD, out) != 0 && errno != EEXIST)
    return errno_error("name a body", errno);
  return out;
}

Status Bodies::sync(uint64_t losses) {
  const std::lock_guard syncing(sync_mutex_);
  TRY(sync_chunk_lists());
  TRY(name_staged());
  if (losses_ == losses) return ok();
  return Error{Code::kIo, "the store could not write what was to be in it: it has to come again",
               "df, and the kernel's log of the storage host"};
}

Status Bodies::sync_chunk_lists() {
  std::vector<std::string> paths;
  {
    const std::lock_guard lock(mutex_);
    paths.swap(unsynced_);
  }
  Status synced = sync_files(paths);
  if (synced) return synced;
  const std::lock_guard lock(mutex_);
  unsynced_.insert(unsynced_.end(), paths.begin(), paths.end());
  return synced;
}

// Few are synced one by one, which needs names; of many the whole file system is. What we hold open tells of a write
// that failed even if somebody else's sync was told of it first.
Status Bodies::sync_staged(std::map<std::string, Staged>& staged) const {
  if (staged.size() > kSyncedSinglyMax) {
    TRY(sync_all(staged));
  } else {
    std::vector<std::string> sources;
    for (auto& [final_path, one] : staged) {
      if (one.path.empty()) one.path = TRY(name_for_now(one.file, final_path));
      sources.push_back(one.path);
    }
    TRY(sync_files(sources));
  }
  for (const auto& [final_path, one] : staged) {
    if (one.file && ::fdatasync(one.file.get()) != 0) return errno_error("sync a body", errno);
  }
  return ok();
}

Status Bodies::sync_all(const std::map<std::string, Staged>& staged) const {
  const auto open = std::find_if(staged.begin(), staged.end(),
                                 [](const auto& one) { return bool{one.second.file}; });
  UniqueFd folder;
  if (open == staged.end()) folder = TRY(open_file(export_path_, O_RDONLY | O_DIRECTORY));
  const int file = open == staged.end() ? folder.get() : open->second.file.get();
  return ::syncfs(file) == 0 ? ok() : errno_error("sync " + export_path_, errno);
}

Status Bodies::name_finally(Staged& one, const std::string& final_path) const {
  if (one.path.empty()) {
    if (link_unnamed(one.file.get(), AT_FDCWD, final_path) == 0) return ok();
    if (errno != EEXIST) return errno_error("name a body", errno);
    one.path = TRY(name_for_now(one.file, final_path));
  }
  // One that is there already stays, with the extents that it shares; of another size it is damage, and is replaced.
  struct stat there {};
  struct stat ours {};
  const bool is_there = ::stat(final_path.c_str(), &there) == 0;
  const bool is_ours = ::stat(one.path.c_str(), &ours) == 0;
  if (is_there && (!is_ours || there.st_size == ours.st_size)) {
    ::unlink(one.path.c_str());
    return ok();
  }
  if (::rename(one.path.c_str(), final_path.c_str()) == 0) return ok();
  return errno_error("name a body", errno);
}

Status Bodies::name_all(std::map<std::string, Staged>& staged) const {
  std::vector<std::string> targets;
  for (auto it = staged.begin(); it != staged.end(); ++it) {
    Status named = name_finally(it->second, it->first);
    if (!named) {
      // Once is enough: what is gone cannot be named later either.
      const std::string& path = it->second.path;
      if (!path.empty() && ::access(path.c_str(), F_OK) != 0) staged.erase(it);
      return named;
    }
    targets.push_back(it->first);
  }
  if (targets.size() > kSyncedSinglyMax) return sync_all(staged);
  return sync_folders_of(targets);
}

void Bodies::let_go(const std::map<std::string, Staged>& staged) {
  for (const auto& [final_path, one] : staged) {
    if (!one.path.empty()) ::unlink(one.path.c_str());
  }
}

Status Bodies::name_staged() {
  std::map<std::string, Staged> staged;
  {
    const std::lock_guard lock(mutex_);
    staged.swap(staged_);
  }
  if (staged.empty()) return ok();
  if (Status synced = sync_staged(staged); !synced) {
    // What could not be written is asked for again; whoever staged it must not go on as if it were there.
    let_go(staged);
    ++losses_;
    return synced;
  }
  Status named = name_all(staged);
  if (named) return named;
  const std::lock_guard lock(mutex_);
  staged_.merge(staged);
  let_go(staged);  // what somebody has staged again meanwhile
  return named;
}

Status Bodies::remove_unnamed() {
  const std::string content = export_path_ + "/content";
  const UniqueFd folder = TRY(open_file(content, O_RDONLY | O_DIRECTORY));
  TRY(remove_tree(folder.get(), "new"));
  return make_folders(content + "/new");
}

}  // namespace devrun::storage
