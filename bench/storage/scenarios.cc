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

#include "bench/storage/sample_volume.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/export_files.h"
#include "controller/storage/storage.h"

namespace devrun::bench {

namespace {

constexpr int kSnapshots = 1000;
constexpr uint64_t kMediumFiles = 57'000;

// The bare ioctl, with as many files changed before it.
Result<Percentiles> native_snapshots(const Sample& store, uint64_t files, std::mt19937_64& random,
                                     Changes where) {
  const UniqueFd live = TRY(open_file(store.live, O_RDONLY | O_DIRECTORY));
  const UniqueFd parent = TRY(open_file(store.disk->path(), O_RDONLY | O_DIRECTORY));
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) {
    change_some(store.live, files, random, where);
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

// As a person edits: files of one folder.
Status edits_together(const Sample& store, uint64_t files, std::vector<Row>& rows) {
  std::mt19937_64 random(6);
  const Percentiles native = TRY(native_snapshots(store, files, random, Changes::kTogether));
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) {
    change_some(store.live, files, random, Changes::kTogether);
    times.push_back(TRY(take(*store.storage)));
  }
  const Percentiles all = percentiles(times);
  rows.push_back({"  … 10 changed in one folder", "ms", all.p50, all.p95, native.p50, 20});
  return ok();
}

// As people submit: what the last one left to settle and to delete is done when the next one comes.
Status with_pauses(const Sample& store, uint64_t files, std::vector<Row>& rows) {
  std::mt19937_64 random(5);
  std::vector<double> times;
  std::vector<double> native;
  const UniqueFd live = TRY(open_file(store.live, O_RDONLY | O_DIRECTORY));
  const UniqueFd parent = TRY(open_file(store.disk->path(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    change_some(store.live, files, random);
    times.push_back(TRY(take(*store.storage)));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    change_some(store.live, files, random);
    Status done = ok();
    native.push_back(milliseconds_of(
        [&] { done = storage::btrfs::snapshot_read_only(live.get(), parent.get(), "native"); }));
    TRY(std::move(done));
    TRY(storage::btrfs::delete_subvolume(parent.get(), "native"));
  }
  const Percentiles all = percentiles(times);
  rows.push_back(
      {"  a second after the last", "ms", all.p50, all.p95, percentiles(native).p50, 20});
  return ok();
}

// What a node that has a snapshot reads of the next one: its manifest and the packs that are new.
Status send_neighbours(const Sample& store, std::vector<Row>& rows) {
  const std::vector<storage::SnapshotRecord> all = TRY(store.storage->snapshots("v"));
  const storage::ExportFiles files(store.storage->export_path(), false, nullptr);
  std::vector<double> sizes;
  for (size_t i = all.size() - std::min<size_t>(all.size(), 50) + 1; i < all.size(); ++i) {
    const tree::Manifest before = TRY(files.manifest(all[i - 1].tree));
    const tree::Manifest after = TRY(files.manifest(all[i].tree));
    std::vector<std::string> read{tree::manifest_path(all[i].tree)};
    for (const Digest& pack : after.packs) {
      const auto known = std::find(before.packs.begin(), before.packs.end(), pack);
      if (known == before.packs.end()) read.push_back(tree::pack_path(pack));
    }
    double bytes = 0;
    for (const std::string& path : read) {
      bytes += static_cast<double>(
          std::filesystem::file_size(store.storage->export_path() + "/" + path));
    }
    sizes.push_back(bytes / 1e3);
  }
  const Percentiles of = percentiles(sizes);
  rows.push_back({"  metadata that a node with the neighbour reads", "KB", of.p50, of.p95});
  return ok();
}

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
  Sample store = TRY(make_sample(settings, "btrfs", 40 * kGiB));
  TRY(generate(store.live, settings.files, [](uint64_t i) { return 600 + i % 900; }));
  const std::string size = fmt::format("{} files", settings.files);
  const double first = TRY(take(*store.storage));
  rows.push_back({"btrfs, " + size + ": the first snapshot", "ms", first});
  std::mt19937_64 random(2);
  const Percentiles native =
      TRY(native_snapshots(store, settings.files, random, Changes::kScattered));
  std::vector<double> times;
  std::vector<double> flushes;  // while a snapshot is waited for
  const uint64_t flushes_before = store.disk->flushes();
  const double cpu_before = cpu_milliseconds();
  for (int i = 0; i < kSnapshots; ++i) {
    change_some(store.live, settings.files, random);
    const uint64_t before = store.disk->flushes();
    times.push_back(TRY(take(*store.storage)));
    flushes.push_back(static_cast<double>(store.disk->flushes() - before));
  }
  const double cpu = cpu_milliseconds() - cpu_before;
  const uint64_t flushes_all = store.disk->flushes() - flushes_before;
  const Percentiles all = percentiles(times);
  rows.push_back({"btrfs, " + size + ", 10 changed", "ms", all.p50, all.p95, native.p50, 20,
                  "native: the snapshot ioctl alone"});
  rows.push_back(
      {"  device flushes while one is waited for", "", percentiles(flushes).p50, 0, 0, 2});
  rows.push_back({"  device flushes a snapshot, settling included", "",
                  static_cast<double>(flushes_all) / kSnapshots});
  rows.push_back({"  CPU a snapshot, changes and settling included", "ms", cpu / kSnapshots});
  for (const size_t from : {size_t{0}, size_t{450}, size_t{900}}) {
    const auto begin = times.begin() + static_cast<ptrdiff_t>(from);
    const Percentiles part = percentiles({begin, begin + 100});
    rows.push_back(
        {fmt::format("  snapshots {} to {}", from + 1, from + 100), "ms", part.p50, part.p95});
  }
  TRY(edits_together(store, settings.files, rows));
  TRY(with_pauses(store, settings.files, rows));
  TRY(send_neighbours(store, rows));
  TRY(compare_neighbours(*store.storage, rows));
  store.storage.reset();
  rows.push_back({"  memory of a controller that knows the volume", "MB",
                  TRY(memory_of(settings, store.path())), 0, 0, 100});
  return ok();
}

Status first_snapshot(const Settings& settings, std::vector<Row>& rows) {
  Sample store = TRY(make_sample(settings, "btrfs", 12 * kGiB));
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
  Sample store = TRY(make_sample(settings, "ext4", 12 * kGiB));
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
  Sample store = TRY(make_sample(settings, "btrfs", 16 * kGiB));
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
