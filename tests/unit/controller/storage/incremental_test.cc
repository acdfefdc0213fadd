// Looking at changes only must find exactly what looking at everything finds. Random edits of every
// kind, seeded; after each batch the tree of the snapshot is compared with a walk from scratch of
// the same read-only subvolume, which starts from no known tree.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/tree_builder.h"
#include "controller/storage/volume.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

namespace fs = std::filesystem;

// Edits a live tree at random. Calls may fail (a name is taken, a folder moves into itself): that
// is an edit too.
class Editor {
 public:
  Editor(std::string root, uint32_t seed) : root_(std::move(root)), random_(seed) {}

  void edit() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return create(new_path());
      case 3:
        return rewrite_same_size(some(fs::file_type::regular));
      case 4:
        return append(some(fs::file_type::regular));
      case 5:
        return void(::truncate(some(fs::file_type::regular).c_str(), below(2000)));
      case 6:
        return void(::lchown(some_any().c_str(), below(3), below(3)));
      case 7:
        return change_mode(some_any());
      case 8:
        return remove(some_any());
      case 9:
        return make_folders_below(some(fs::file_type::directory));
      case 10:
        return void(::rename(some_any().c_str(), new_path().c_str()));
      case 11:
        return void(::rename(some(fs::file_type::directory).c_str(), new_path().c_str()));
      case 12:
        return void(::symlink(fmt::format("../{}", below(100)).c_str(), new_path().c_str()));
      case 13:
        return void(::link(some(fs::file_type::regular).c_str(), new_path().c_str()));
      case 14:
        return set_xattr(some_any());
      default:
        return store_by_mapping(some(fs::file_type::regular));
    }
  }

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  std::vector<std::string> all(fs::file_type type, bool any) {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (any || entry.symlink_status().type() == type) out.push_back(entry.path().string());
    }
    return out;
  }
  std::string pick(const std::vector<std::string>& from) {
    return from.empty() ? root_ + "/none" : from[below(static_cast<uint32_t>(from.size()))];
  }
  std::string some(fs::file_type type) { return pick(all(type, false)); }
  std::string some_any() { return pick(all({}, true)); }
  std::string new_path() {
    std::vector<std::string> folders = all(fs::file_type::directory, false);
    folders.push_back(root_);
    return fmt::format("{}/n{}", pick(folders), below(500));
  }

  std::string random_text(size_t bytes) {
    std::string out(bytes, '\0');
    for (char& c : out) c = static_cast<char>('a' + below(26));
    return out;
  }
  void put(const std::string& path, const std::string& text, int flags) {
    const Result<UniqueFd> fd = open_file(path, flags | O_WRONLY);
    if (fd) (void)write_all(fd->get(), text);
  }
  void create(const std::string& path) {
    static constexpr size_t kSizes[] = {0, 1, 511, 512, 513, 4096, 70'000, (2 << 20) + 5};
    if (below(8) == 0) return void(::mkfifo(path.c_str(), 0600));
    put(path, random_text(kSizes[below(8)]), O_CREAT | O_EXCL);
  }
  // With its times set back, as tar and rsync do.
  void rewrite_same_size(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return;
    put(path, random_text(static_cast<size_t>(st.st_size)), 0);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    if (below(2) == 0) ::utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
  void append(const std::string& path) { put(path, random_text(below(3000)), O_APPEND); }
  void change_mode(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0 && !S_ISLNK(st.st_mode))
      ::chmod(path.c_str(), 0700 + below(64));
  }
  void remove(const std::string& path) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  void make_folders_below(const std::string& path) {
    std::error_code ignored;
    const std::string deep = fmt::format("{}/d{}/e/f", path, below(50));
    fs::create_directories(deep, ignored);
    put(deep + "/leaf", "leaf", O_CREAT);
  }
  void set_xattr(const std::string& path) {
    const std::string value = random_text(below(20));
    ::lsetxattr(path.c_str(), "user.x", value.data(), value.size(), 0);
    if (below(3) == 0) ::lremovexattr(path.c_str(), "user.x");
  }
  void store_by_mapping(const std::string& path) {
    const Result<UniqueFd> fd = open_file(path, O_RDWR);
    struct stat st {};
    if (!fd || ::fstat(fd->get(), &st) != 0 || st.st_size == 0) return;
    const auto bytes = static_cast<size_t>(st.st_size);
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
    if (at == MAP_FAILED) return;
    static_cast<char*>(at)[below(static_cast<uint32_t>(bytes))] ^= 1;
    ::munmap(at, bytes);
  }

  const std::string root_;
  std::mt19937 random_;
};

class IncrementalTest : public BtrfsTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    BtrfsTest::SetUp();
    if (IsSkipped()) return;
    export_ = mount_point() + fmt::format("/incremental{}/export", GetParam());
    folder_ = mount_point() + fmt::format("/incremental{}/v", GetParam());
    ASSERT_TRUE(make_folders(folder_));
    ASSERT_TRUE(make_export_folders(export_));
    const Result<UniqueFd> fd = open_file(folder_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(btrfs::create_subvolume(fd->get(), "live"));
    ASSERT_TRUE(write_volume_record(folder_, {"v", "alice", lineage(), Time{1}}));
    driver_ = std::move(*Driver::of(folder_));
    files_.emplace(export_);
    bodies_.emplace(export_);
    reopen();
  }
  static tree::Lineage lineage() {
    tree::Lineage out;
    out.fill(7);
    return out;
  }
  void reopen() {
    volume_.reset();
    Result<std::unique_ptr<Volume>> opened = Volume::open(folder_, *driver_, *files_, *bodies_);
    ASSERT_TRUE(opened) << opened.error().message;
    volume_ = std::move(*opened);
  }
  // The tree and totals of the newest settled subvolume, from nothing.
  void expect_same_as_from_scratch(const Snapshot& snapshot, uint32_t round) {
    ASSERT_TRUE(volume_->settle());
    const Result<UniqueFd> base = open_file(folder_ + "/base", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(base);
    BuildRequest request;
    request.root = base->get();
    request.lineage = lineage();
    const Result<TreeChange> scratch = build_tree(request, KnownTree(), *bodies_);
    ASSERT_TRUE(scratch) << scratch.error().message;
    const TreeView view = view_tree(export_, snapshot.tree);
    EXPECT_EQ(scratch->root.directory, snapshot.tree) << "round " << round;
    EXPECT_EQ(static_cast<uint64_t>(scratch->totals.files), snapshot.files);
    EXPECT_EQ(scratch->totals.bytes, snapshot.bytes);
    EXPECT_EQ(scratch->totals.xattrs > 0, view.manifest.has_xattrs);
    for (const auto& [path, entry] : view.entries) {
      if (entry.body.kind != tree::BodyKind::kInline) content_of(export_, entry);
    }
  }

  std::string export_;
  std::string folder_;
  std::unique_ptr<Driver> driver_;
  std::optional<ExportFiles> files_;
  std::optional<Bodies> bodies_;
  std::unique_ptr<Volume> volume_;
};

TEST_P(IncrementalTest, FindsWhatAFullWalkFinds) {
  Editor editor(folder_ + "/live", GetParam());
  std::mt19937 random(GetParam());
  for (uint32_t round = 0; round < 10; ++round) {
    const uint32_t edits = round == 0 ? 150 : static_cast<uint32_t>(random() % 25);
    for (uint32_t i = 0; i < edits; ++i) editor.edit();
    const Result<Snapshot> snapshot = volume_->take_snapshot();
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    // Every other one is followed by another at once: several unsettled ones, and one without
    // changes.
    if (round % 2 == 0) {
      const Result<Snapshot> again = volume_->take_snapshot();
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->tree, snapshot->tree);
    }
    if (round % 5 == 4) {
      volume_->forget_known_tree();
    } else if (round % 7 == 6) {
      reopen();  // with pending snapshots: they are finished from their subvolumes
      ASSERT_EQ(volume_->info().newest.tree, snapshot->tree);
    }
    expect_same_as_from_scratch(*snapshot, round);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, IncrementalTest, ::testing::Range(1U, 3U));

}  // namespace
}  // namespace devrun::storage
