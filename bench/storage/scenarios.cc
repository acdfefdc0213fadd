#include "bench/storage/scenarios.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <filesystem>
#include <random>
#include <thread>

#include "bench/storage/scratch_disk.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/storage.h"

namespace devrun::bench {

namespace {

constexpr uint64_t kFilesInFolder = 100;
constexpr int kSnapshots = 1000;
constexpr int kChanged = 10;
constexpr uint64_t kMediumFiles = 57'000;
constexpr int64_t kGiB = int64_t{1} << 30;

std::string file_path(const std::string& root, uint64_t number) {
  return fmt::format("{}/d{}/d{}/file{}", root, number / kFilesInFolder / 100,
                     number / kFilesInFolder, number);
}

// `bytes(i)` of incompressible data in file i.
Status generate(const std::string& root, uint64_t files, uint64_t (*bytes)(uint64_t)) {
  std::mt19937_64 random(1);
  std::string noise(size_t{4} << 20, '\0');
  for (size_t i = 0; i + 8 <= noise.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(&noise[i], &word, sizeof word);
  }
  for (uint64_t i = 0; i < files; ++i) {
    const std::string path = file_path(root, i);
    if (i % kFilesInFolder == 0) TRY(make_folders(path.substr(0, path.rfind('/'))));
    const UniqueFd fd = TRY(open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
    const std::string head = fmt::format("{}\n", i);  // no two are equal
    TRY(write_all(fd.get(), head));
    for (uint64_t left = bytes(i); left > 0;) {
      const uint64_t part = std::min<uint64_t>(left, noise.size() / 2);
      TRY(write_all(fd.get(), std::string_view(noise).substr(random() % (noise.size() / 2), part)));
      left -= part;
    }
  }
  return ok();
}

struct Store {
  std::unique_ptr<ScratchDisk> disk;
  std::unique_ptr<storage::Storage> storage;
  std::string live;

  std::string path() const { return disk->path(); }
};

Result<Store> make_store(const Settings& settings, const std::string& kind, int64_t bytes) {
  Store out;
  out.disk = TRY(ScratchDisk::make(settings.disk, kind, bytes));
  out.storage = TRY(storage::Storage::open(out.path()));
  TRY(out.storage->create_volume("v", "bench", storage::Empty{}, {}));
  out.live = out.storage->live_path("v");
  return out;
}

void change_some(const std::string& live, uint64_t files, std::mt19937_64& random) {
  for (int i = 0; i < kChanged; ++i) {
    const Result<UniqueFd> fd = open_file(file_path(live, random() % files), O_WRONLY);
    if (fd) (void)write_all(fd->get(), fmt::format("{}", random()));
  }
}

Result<double> take(storage::Storage& storage) {
  Status failed = ok();
  const double ms = milliseconds_of([&] {
    const Result<storage::Snapshot> taken = storage.take_snapshot("v");
    if (!taken) failed = taken.error();
  });
  if (!failed) return failed.error();
  return ms;
}

// The bare ioctl, with as many files changed before it.
Result<Percentiles> native_snapshots(const Store& store, uint64_t files, std::mt19937_64& random) {
  const UniqueFd live = TRY(open_file(store.live, O_RDONLY | O_DIRECTORY));
  const UniqueFd parent = TRY(open_file(store.disk->path(), O_RDONLY | O_DIRECTORY));
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) {
    change_some(store.live, files, random);
    Status done = ok();
    times.push_back(milliseconds_of(
        [&] { done = storage::btrfs::snapshot_read_only(live.get(), parent.get(), "native"); }));
    TRY(std::move(done));
    TRY(storage::btrfs::delete_subvolume(parent.get(), "native"));
  }
  return percentiles(times);
}

// A stat of every name below: what no scan can do without.
void stat_all(const std::string& folder) {
  DIR* const stream = ::opendir(folder.c_str());
  if (stream == nullptr) return;
  std::vector<std::string> folders;
  while (const dirent* const entry = ::readdir(stream)) {
    const std::string name(entry->d_name);
    struct stat st {};
    if (name == "." || name == "..") continue;
    ::fstatat(::dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW);
    if (S_ISDIR(st.st_mode)) folders.push_back(folder + "/" + name);
  }
  ::closedir(stream);
  for (const std::string& next : folders) stat_all(next);
}

Result<double> memory_of(const Settings& settings, const std::string& store) {
  const ChildResult child = TRY(run_child({settings.self, "--memory", store}));
  double out = 0;
  std::from_chars(child.out.data(), child.out.data() + child.out.size(), out);
  return out;
}

}  // namespace

namespace {

// Of the newest snapshots of volume v, each with the one before.
Status compare_neighbours(storage::Storage& storage, std::vector<Row>& rows) {
  constexpr uint64_t kPairs = 50;
  const std::vector<storage::SnapshotRecord> all = TRY(storage.snapshots("v"));
  if (all.size() <= kPairs) return ok();
  std::vector<double> times;
  for (size_t i = all.size() - kPairs; i < all.size(); ++i) {
    Status compared = ok();
    const auto name = [&](size_t at) {
      return storage::SnapshotName{"v", std::to_string(all[at].number)};
    };
    times.push_back(milliseconds_of([&] {
      compared = storage.diff(
          name(i - 1), name(i),
          [](const storage::SnapshotRecord&, const storage::SnapshotRecord&) { return ok(); },
          [](const tree::Difference&) { return ok(); });
    }));
    TRY(std::move(compared));
  }
  const Percentiles all_pairs = percentiles(times);
  rows.push_back({"  comparing neighbours", "ms", all_pairs.p50, all_pairs.p95, 0, 20});
  return ok();
}

}  // namespace

Status large_volume(const Settings& settings, std::vector<Row>& rows) {
  Store store = TRY(make_store(settings, "btrfs", 40 * kGiB));
  TRY(generate(store.live, settings.files, [](uint64_t i) { return 600 + i % 900; }));
  const std::string size = fmt::format("{} files", settings.files);
  const double first = TRY(take(*store.storage));
  rows.push_back({"btrfs, " + size + ": the first snapshot", "ms", first});
  std::mt19937_64 random(2);
  const Percentiles native = TRY(native_snapshots(store, settings.files, random));
  std::vector<double> times;
  std::vector<double> flushes;  // while a snapshot is waited for
  const uint64_t flushes_before = store.disk->flushes();
  for (int i = 0; i < kSnapshots; ++i) {
    change_some(store.live, settings.files, random);
    const uint64_t before = store.disk->flushes();
    times.push_back(TRY(take(*store.storage)));
    flushes.push_back(static_cast<double>(store.disk->flushes() - before));
  }
  const uint64_t flushes_all = store.disk->flushes() - flushes_before;
  const Percentiles all = percentiles(times);
  rows.push_back({"btrfs, " + size + ", 10 changed", "ms", all.p50, all.p95, native.p50, 20,
                  "native: the snapshot ioctl alone"});
  rows.push_back(
      {"  device flushes while one is waited for", "", percentiles(flushes).p50, 0, 0, 2});
  rows.push_back({"  device flushes a snapshot, settling included", "",
                  static_cast<double>(flushes_all) / kSnapshots});
  for (const size_t from : {size_t{0}, size_t{450}, size_t{900}}) {
    const auto begin = times.begin() + static_cast<ptrdiff_t>(from);
    const Percentiles part = percentiles({begin, begin + 100});
    rows.push_back(
        {fmt::format("  snapshots {} to {}", from + 1, from + 100), "ms", part.p50, part.p95});
  }
  TRY(compare_neighbours(*store.storage, rows));
  store.storage.reset();
  rows.push_back({"  memory of a controller that knows the volume", "MB",
                  TRY(memory_of(settings, store.path())), 0, 0, 100});
  return ok();
}

Status first_snapshot(const Settings& settings, std::vector<Row>& rows) {
  Store store = TRY(make_store(settings, "btrfs", 12 * kGiB));
  // 2.6 GB: mostly small files, some libraries.
  TRY(generate(store.live, kMediumFiles, [](uint64_t i) -> uint64_t {
    if (i % 1000 == 0) return 12 << 20;
    return i % 10 == 0 ? 200'000 : 12'000 + i % 20'000;
  }));
  TRY(run_checked({"sync", "-f", store.live}));
  const double native = milliseconds_of([&] {
    (void)run_checked({"cp", "-a", "--reflink=always", store.live, store.disk->path() + "/copy"});
  });
  rows.push_back({fmt::format("btrfs, first snapshot of {} files", kMediumFiles), "ms",
                  TRY(take(*store.storage)), 0, native, 10'000, "native: cp -a --reflink"});
  return ok();
}

Status scan_on_ext4(const Settings& settings, std::vector<Row>& rows) {
  Store store = TRY(make_store(settings, "ext4", 12 * kGiB));
  TRY(generate(store.live, kMediumFiles, [](uint64_t i) { return 600 + i % 9000; }));
  rows.push_back({fmt::format("scan on ext4, first snapshot of {} files", kMediumFiles), "ms",
                  TRY(take(*store.storage))});
  std::mt19937_64 random(3);
  std::vector<double> times;
  std::vector<double> native;
  for (int i = 0; i < 30; ++i) {
    change_some(store.live, kMediumFiles, random);
    native.push_back(milliseconds_of([&] { stat_all(store.live); }));
    times.push_back(TRY(take(*store.storage)));
  }
  const Percentiles all = percentiles(times);
  rows.push_back({fmt::format("scan on ext4, {} files, 10 changed", kMediumFiles), "ms", all.p50,
                  all.p95, percentiles(native).p50, 500, "native: a stat of each"});
  return ok();
}

Status large_file(const Settings& settings, std::vector<Row>& rows) {
  Store store = TRY(make_store(settings, "btrfs", 16 * kGiB));
  TRY(generate(store.live, 1000, [](uint64_t) -> uint64_t { return 2000; }));
  TRY(take(*store.storage));
  const auto write = [&](const std::string& name) -> Status {
    const UniqueFd fd = TRY(open_file(store.live + "/" + name, O_WRONLY | O_CREAT | O_TRUNC));
    std::string block(size_t{4} << 20, 'x');
    for (int64_t at = 0; at < 5'000'000'000; at += static_cast<int64_t>(block.size())) {
      std::memcpy(block.data(), &at, sizeof at);
      TRY(write_all(fd.get(), block));
    }
    return ok();
  };
  TRY(write("before"));
  TRY(run_checked({"sync", "-f", store.live}));
  rows.push_back(
      {"btrfs, a file of 5 GB written back before", "ms", TRY(take(*store.storage)), 0, 0, 30});
  TRY(write("just"));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  rows.push_back({"btrfs, a file of 5 GB written a second before", "ms", TRY(take(*store.storage)),
                  0, 0, 500, "what was dirty is written first"});
  return ok();
}

Status print_memory(const std::string& store) {
  const std::unique_ptr<storage::Storage> storage = TRY(storage::Storage::open(store));
  TRY(take(*storage));
  const std::string status = TRY(read_file("/proc/self/status"));
  const size_t at = status.find("VmRSS:");
  fmt::print("{:.1f}\n", std::strtod(status.c_str() + at + 6, nullptr) * 1024 / 1e6);
  return ok();
}

}  // namespace devrun::bench
