#include "controller/storage/collector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/clock.h"
#include "controller/storage/recent_uses.h"
#include "controller/storage/snapshot_folder.h"
#include "controller/storage/tree_walk.h"

namespace devrun::storage {

namespace {

constexpr int64_t kRestPerWork = 4;
constexpr int64_t kWorkUs = 20'000;  // less is not worth a rest
constexpr int64_t kRestUsMax = 1'000'000;
constexpr int64_t kRestSliceUs = 50'000;
constexpr int64_t kTemporaryKeptS = 24 * 3600;
constexpr std::string_view kChunks = ".chunks";

uint64_t key_of(std::string_view raw) {
  uint64_t out = 0;
  std::memcpy(&out, raw.data(), std::min(raw.size(), sizeof out));
  return out;
}

// Of the hex digits of an id; nothing if they are none.
std::optional<uint64_t> key_of_hex(std::string_view hex) {
  if (hex.size() != 32 && hex.size() != 64) return std::nullopt;
  const std::optional<Digest> id =
      Digest::from_hex(std::string(hex) + std::string(64 - hex.size(), '0'));
  if (!id) return std::nullopt;
  return key_of(id->view());
}

}  // namespace

Pace::Pace(const std::atomic<bool>* stop, bool rest)
    : stop_(stop), rest_(rest), since_us_(monotonic_us()) {}

Status Pace::step() {
  const auto stopped = [this] { return stop_ != nullptr && *stop_; };
  const int64_t worked = monotonic_us() - since_us_;
  if (rest_ && worked >= kWorkUs) {
    for (int64_t left = std::min(worked * kRestPerWork, kRestUsMax); left > 0 && !stopped();
         left -= kRestSliceUs) {
      ::usleep(static_cast<useconds_t>(std::min(left, kRestSliceUs)));
    }
    since_us_ = monotonic_us();
  }
  if (stopped()) return Error{Code::kCancelled, "the collection was stopped", {}};
  return ok();
}

Status Collector::run(std::span<const Digest> roots, Pace& pace, Collected& done) {
  const Marked marked = TRY(mark(roots, pace));
  reach(fault_, "collect.marked");
  found_.clear();
  Status swept = sweep(marked, pace, done);
  done.candidates = found_.size();
  candidates_ = std::move(found_);
  found_ = {};
  return swept;
}

Result<Collector::Marked> Collector::mark(std::span<const Digest> roots, Pace& pace) const {
  Marked out;
  TreeWalk walk(files_);
  for (const Digest& root : roots) {
    if (!out.trees.insert(root).second) continue;
    const Result<tree::Manifest> manifest = files_.manifest(root);
    if (!manifest && manifest.error().code == Code::kNotFound) continue;
    if (!manifest) return manifest.error();
    out.packs.insert(manifest->packs.begin(), manifest->packs.end());
    TRY(walk.walk(
        *manifest,
        [&](const tree::Entry& entry) {
          if (entry.body.kind != tree::BodyKind::kInline) {
            out.bodies.insert(key_of(entry.body.id));
          }
          return ok();
        },
        [&] { return pace.step(); }));
    TRY(pace.step());
  }
  return out;
}

Status Collector::sweep(const Marked& marked, Pace& pace, Collected& done) {
  for (const char* const kind : {"trees", "packs", "content"}) {
    for (int i = 0; i < 256; ++i) {
      TRY(sweep_folder(fmt::format("{}/{:02x}", kind, i), marked, done));
      TRY(pace.step());
    }
    reach(fault_, "collect.swept");
  }
  return sweep_folder("content/p", marked, done);
}

Status Collector::sweep_folder(const std::string& folder, const Marked& marked, Collected& done) {
  const UniqueFd fd = TRY(open_file(export_path_ + "/" + folder, O_RDONLY | O_DIRECTORY));
  for (const NameAndInode& entry : TRY(read_names(fd.get()))) {
    const std::string path = folder + "/" + entry.name;
    std::string_view hex = entry.name;
    const bool is_list = hex.ends_with(kChunks);
    if (is_list) hex.remove_suffix(kChunks.size());
    const std::optional<uint64_t> key = key_of_hex(hex);
    if (!key) {
      // A file that never got its name.
      struct stat st {};
      if (::fstatat(fd.get(), entry.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
          st.st_mtim.tv_sec + kTemporaryKeptS < clock_now().us / 1'000'000) {
        ::unlinkat(fd.get(), entry.name.c_str(), 0);
      }
      continue;
    }
    if (folder.starts_with("trees/")) {
      if (!marked.trees.contains(*Digest::from_hex(entry.name))) {
        TRY(consider(path, done.manifests, done));
      }
    } else if (folder.starts_with("packs/")) {
      if (!marked.packs.contains(*Digest::from_hex(entry.name))) {
        TRY(consider(path, done.packs, done));
      }
    } else if (!marked.bodies.contains(*key)) {
      size_t lists = 0;
      TRY(consider(path, is_list ? lists : done.bodies, done));
    }
  }
  return ok();
}

Status Collector::consider(const std::string& path, size_t& count, Collected& done) {
  const size_t key = std::hash<std::string>{}(path);
  if (!candidates_.contains(key)) {
    found_.insert(key);
    return ok();
  }
  const std::string full = export_path_ + "/" + path;
  // A body and its list are noted by the body's name.
  const std::string noted =
      path.ends_with(kChunks) ? path.substr(0, path.size() - kChunks.size()) : path;
  reach(fault_, "collect.delete");
  const bool deleted = TRY(uses_.delete_unless_used(noted, [&]() -> Status {
    struct stat st {};
    if (::stat(full.c_str(), &st) == 0) done.bytes += st.st_size;
    if (::unlink(full.c_str()) != 0 && errno != ENOENT) return errno_error(full, errno);
    return ok();
  }));
  if (deleted) ++count;
  return ok();
}

}  // namespace devrun::storage
