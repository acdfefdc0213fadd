// What the calls about volumes and snapshots take (see Controller).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace devrun::cli {

// By number or by the first digits of its tree. An empty volume is that of the caller's container,
// an empty snapshot the live state now (where that makes sense).
struct SnapshotName {
  std::string volume;
  std::string snapshot;
};

struct FromDebootstrap {
  std::string suite;
  std::vector<std::string> include;
};
struct FromFolder {
  std::string path;
};
struct FromVolume {
  SnapshotName from;
};
struct FromImage {
  std::string reference;
};
struct Empty {};
struct VolumeRequest {
  std::string name;
  std::variant<FromDebootstrap, FromFolder, Empty, FromVolume, FromImage> source;
  int64_t quota_bytes = 0;
};

// A volume made of a tar archive, or one that an archive is added to.
struct FillRequest {
  std::string volume;
  bool create = false;
  std::string folder;  // add: where to
  int64_t quota_bytes = 0;
  int64_t archive_bytes = 0;  // about; 0: not known
};

// Words of the controller, and of what is sent to it.
struct ProgressWord {
  std::string line;
  bool passing = false;  // takes the place of the one before
  // How much of what the line names is done; total 0: not an amount.
  int64_t done = 0;
  int64_t total = 0;
  bool in_bytes = false;
};
using ProgressWords = std::function<void(const ProgressWord&)>;

}  // namespace devrun::cli
