// What the scenarios have in common: a volume `v` on a file system of its own, filled with files that
// are all different, some of them changed again, and a snapshot taken of it.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "bench/storage/scenarios.h"
#include "bench/storage/scratch_disk.h"
#include "common/base/result.h"
#include "controller/storage/storage.h"

namespace devrun::bench {

inline constexpr int64_t kGiB = int64_t{1} << 30;
inline constexpr int kChanged = 10;

struct Sample {
  std::unique_ptr<ScratchDisk> disk;
  std::unique_ptr<storage::Storage> storage;
  std::string live;  // folder

  std::string path() const { return disk->path(); }
};

// On a new file system of `kind` with `bytes`; the volume is empty.
Result<Sample> make_sample(const Settings& settings, const std::string& kind, int64_t bytes);

// `bytes(i)` of incompressible data in file i, a hundred files in a folder.
Status generate(const std::string& root, uint64_t files, uint64_t (*bytes)(uint64_t));

// Where the files lie that are changed: anywhere, or side by side in one folder as a person's edits.
enum class Changes { kScattered, kTogether };

// Ten of the files.
void change_some(const std::string& live, uint64_t files, std::mt19937_64& random,
                 Changes where = Changes::kScattered);

// A snapshot of `v`, in milliseconds.
Result<double> take(storage::Storage& storage);

}  // namespace devrun::bench
