// Subvolumes and their read-only snapshots.
#include "controller/storage/btrfs_driver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/clock.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

// A snapshot shows a nested subvolume as an empty folder, whatever is in it. Leaving files out
// silently would break the one promise of snapshots, so only empty ones pass, as mount points.
Status refuse_nested_subvolumes(int live) {
  for (const std::string& nested : TRY(btrfs::nested_subvolumes(live))) {
    const Result<UniqueFd> fd = open_beneath(live, nested, O_RDONLY | O_DIRECTORY);
    if (!fd && fd.error().code == Code::kNotFound) continue;
    if (fd && TRY(read_names(fd->get())).empty()) continue;
    return Error{
        Code::kUnsupported,
        fmt::format("/{} is a btrfs subvolume of its own, which snapshots do not reach", nested),
        fmt::format("move its files to a plain folder and run: btrfs subvolume delete /{}",
                    nested)};
  }
  return ok();
}

Result<Instant> open_instant(const std::string& folder, const std::string& name) {
  Instant out;
  out.name = name;
  out.root = TRY(open_file(fmt::format("{}/{}", folder, name), O_RDONLY | O_DIRECTORY));
  const btrfs::SubvolumeInfo info = TRY(btrfs::subvolume_info(out.root.get()));
  out.taken_ns = info.made_ns;
  out.generation = info.generation;
  out.live = info.parent_uuid;
  return out;
}

// What a snapshot may have to write first, and what one commit may have to record: 256 MB of small
// files made snapshots beside a copy take twice as long. Writers lose 3 to 8 % (bench/snapshot).
constexpr uint64_t kDirtyBytesMax = 64 << 20;
constexpr uint64_t kTopSubvolume = 5;
constexpr ino_t kSubvolumeRootInode = 256;

Result<bool> bound_own_file_system(const std::string& folder) {
  const UniqueFd fd = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error("stat", errno);
  if (st.st_ino != kSubvolumeRootInode) return false;
  if (TRY(btrfs::subvolume_info(fd.get())).id != kTopSubvolume) return false;
  return btrfs::bound_dirty_data(fd.get(), kDirtyBytesMax);
}

class BtrfsDriver final : public Driver {
 public:
  std::string_view name() const override { return "btrfs"; }
  bool freezes() const override { return true; }
  Status make_live(int parent, const std::string& live) const override {
    return btrfs::create_subvolume(parent, live);
  }
  Result<LiveId> clone_live(const std::string& from, int parent,
                            const std::string& name) const override {
    const UniqueFd source = TRY(open_file(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(btrfs::snapshot_writable(source.get(), parent, name));
    const UniqueFd made(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!made) return errno_error(name, errno);
    return TRY(btrfs::subvolume_info(made.get())).uuid;
  }
  Status remove(int parent, const std::string& tree) const override {
    return btrfs::delete_subvolume(parent, tree);
  }

  Result<Instant> freeze(const std::string& folder, const std::string& name) const override {
    const UniqueFd parent = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
    const UniqueFd live = TRY(open_file(folder + "/live", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const int64_t taken_ns = clock_ns();
    TRY(btrfs::snapshot_read_only(live.get(), parent.get(), name));
    // After the snapshot, so that one that was filled before it is seen.
    Status whole = refuse_nested_subvolumes(live.get());
    Result<Instant> out = whole ? open_instant(folder, name) : whole.error();
    if (!out) {
      if (Status gone = remove(parent.get(), name); !gone) log::warning("{}", gone.error().message);
      return out;
    }
    out->taken_ns = taken_ns;
    return out;
  }
  // What is nested in the live tree now says nothing about then.
  Result<Instant> reopen(const std::string& folder, const std::string& name) const override {
    return open_instant(folder, name);
  }

  Result<std::vector<uint64_t>> changed_inodes(int root, uint64_t generation,
                                               size_t inodes_max) const override {
    return btrfs::inodes_changed_since(root, generation, inodes_max);
  }
  Result<bool> bytes_changed(int root, uint64_t inode, uint64_t generation) const override {
    return btrfs::extents_changed_since(root, inode, generation);
  }
  Result<std::vector<uint64_t>> parents_of(int root, uint64_t inode) const override {
    return btrfs::parents_of(root, inode);
  }
  Status commit(int fd) const override { return btrfs::commit(fd); }
};

}  // namespace

std::unique_ptr<Driver> make_btrfs_driver(const std::string& folder) {
  const Result<bool> bounded = bound_own_file_system(folder);
  if (!bounded) log::warning("{}: {}", folder, bounded.error().message);
  return std::make_unique<BtrfsDriver>();
}

}  // namespace devrun::storage
