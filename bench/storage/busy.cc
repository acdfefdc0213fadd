// Snapshots beside others who write: in another volume many small files, in the same one a download.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "bench/storage/sample_volume.h"
#include "common/runtime/file.h"

namespace devrun::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kFiles = 57'000;
constexpr int kSnapshots = 100;
constexpr auto kBetween = std::chrono::milliseconds(200);

// A thread that works until the end of its scope.
class Writer {
 public:
  explicit Writer(std::function<void(const std::atomic<bool>&)> work)
      : thread_([this, work = std::move(work)] { work(stop_); }) {}
  ~Writer() {
    stop_ = true;
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// As `cp -r` and `pip install` do, as fast as it goes: 8 KB each, a hundred in a folder.
void copy_small_files(const std::string& live, const std::atomic<bool>& stop) {
  const std::string bytes(8192, 's');
  for (uint64_t i = 0; !stop; ++i) {
    const std::string folder = fmt::format("{}/copy{}", live, i / 100);
    if (i % 100 == 0 && !make_folders(folder)) return;
    const Result<UniqueFd> fd = open_file(fmt::format("{}/{}", folder, i), O_WRONLY | O_CREAT);
    if (!fd || !write_all(fd->get(), fmt::format("{}{}", i, bytes))) return;
  }
}

// 125 MB/s, a gigabit network's; begins anew at 4 GB.
void stream_download(const std::string& live, const std::atomic<bool>& stop) {
  constexpr int64_t kEnd = 4 * kGiB;
  const Result<UniqueFd> fd = open_file(live + "/download", O_WRONLY | O_CREAT);
  std::string block(size_t{1} << 20, 'd');
  auto next = Clock::now();
  for (int64_t at = 0; fd && !stop; at = (at + static_cast<int64_t>(block.size())) % kEnd) {
    std::memcpy(block.data(), &at, sizeof at);
    if (::pwrite(fd->get(), block.data(), block.size(), at) < 0) return;
    next = std::max(next + std::chrono::microseconds(8388), Clock::now());
    std::this_thread::sleep_until(next);
  }
}

Result<Row> take_many(const Sample& sample, const std::string& name, double bar) {
  std::mt19937_64 random(4);
  std::vector<double> times;
  for (int i = 0; i < kSnapshots; ++i) {
    std::this_thread::sleep_for(kBetween);
    change_some(sample.live, kFiles, random);
    times.push_back(TRY(take(*sample.storage)));
  }
  const Percentiles all = percentiles(times);
  return Row{"btrfs, 10 changed, " + name,       "ms", all.p50, all.p95, 0, bar,
             bar > 0 ? "the bar is for p95" : ""};
}

}  // namespace

Status busy_volumes(const Settings& settings, std::vector<Row>& rows) {
  const Sample sample = TRY(make_sample(settings, "btrfs", 30 * kGiB));
  TRY(sample.storage->create_volume("w", "bench", storage::Empty{}, {}));
  TRY(generate(sample.live, kFiles, [](uint64_t i) { return 600 + i % 9000; }));
  TRY(take(*sample.storage));
  rows.push_back(TRY(take_many(sample, "nothing beside", 0)));
  {
    const Writer other([live = sample.storage->live_path("w")](const auto& stop) {
      copy_small_files(live, stop);
    });
    rows.push_back(TRY(take_many(sample, "another volume copies small files", 150)));
  }
  const Writer same([live = sample.live](const auto& stop) { stream_download(live, stop); });
  rows.push_back(TRY(take_many(sample, "the same volume streams a download", 300)));
  return ok();
}

}  // namespace devrun::bench
