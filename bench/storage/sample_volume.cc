#include "bench/storage/sample_volume.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>

#include "common/runtime/file.h"

namespace devrun::bench {

namespace {

constexpr uint64_t kFilesInFolder = 100;

std::string file_path(const std::string& root, uint64_t number) {
  return fmt::format("{}/d{}/d{}/file{}", root, number / kFilesInFolder / 100,
                     number / kFilesInFolder, number);
}

}  // namespace

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

Result<Sample> make_sample(const Settings& settings, const std::string& kind, int64_t bytes) {
  Sample out;
  std::vector<std::string> options;
  if (kind == "btrfs") options = {"-n", settings.node_size};
  out.disk = TRY(ScratchDisk::make(settings.disk, kind, bytes, options));
  out.storage = TRY(storage::Storage::open(out.path()));
  TRY(out.storage->create_volume("v", "bench", storage::Empty{}, {}));
  out.live = out.storage->live_path("v");
  return out;
}

void change_some(const std::string& live, uint64_t files, std::mt19937_64& random, Changes where) {
  const uint64_t folder = random() % (files / kFilesInFolder) * kFilesInFolder;
  for (int i = 0; i < kChanged; ++i) {
    const uint64_t file =
        where == Changes::kTogether ? folder + random() % kFilesInFolder : random() % files;
    const Result<UniqueFd> fd = open_file(file_path(live, file), O_WRONLY);
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

}  // namespace devrun::bench
