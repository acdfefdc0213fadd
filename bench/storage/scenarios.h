// What is measured; each on a file system of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/storage/measure.h"
#include "common/base/result.h"

namespace devrun::bench {

struct Settings {
  std::string disk = "/var/tmp";
  std::string self;  // this program
  uint64_t files = 500'000;
  std::string node_size = "4096";  // of btrfs's metadata; as `devrun up` makes it
};

// Ten changed files in a large volume, a thousand times; the memory that this takes.
Status large_volume(const Settings& settings, std::vector<Row>& rows);
// The first snapshot of a volume of many programs' files.
Status first_snapshot(const Settings& settings, std::vector<Row>& rows);
// Ten changed files where nothing can be frozen.
Status scan_on_ext4(const Settings& settings, std::vector<Row>& rows);
// A file of 5 GB, written long before and just before.
Status large_file(const Settings& settings, std::vector<Row>& rows);

// Ten changed files while others write.
Status busy_volumes(const Settings& settings, std::vector<Row>& rows);

// In a process of its own: opens the store, takes a snapshot of volume v, prints its memory in MB.
Status print_memory(const std::string& store);

}  // namespace devrun::bench
