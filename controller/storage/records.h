// What a volume's folder says about it, as small JSON files.
//   volume.json   what it is; replaced when its quota changes, or with whom it is shared
//   newest.json   its newest settled snapshot; replaced durably
//   paths.json    the kinds of paths that somebody has set; likewise; missing if nobody has
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/path_rules.h"
#include "common/tree/tree.h"
#include "controller/storage/driver.h"

namespace devrun::storage {

// With whom a volume is shared, beside its owner: users, and groups as "@name".
enum class ShareFor : uint8_t { kReading = 1, kWriting = 2 };
using Shares = std::map<std::string, ShareFor>;
inline constexpr size_t kSharesMax = 256;

struct VolumeRecord {
  std::string name;
  std::string owner;
  tree::Lineage lineage{};
  Time created;
  int64_t quota_bytes = {};  // of the files in a snapshot; 0: none
  Shares shares = {};
  bool operator==(const VolumeRecord&) const = default;
};

struct NewestRecord {
  Digest tree;
  Time taken;
  uint64_t generation = 0;  // of the snapshot that the tree was read from
  LiveId live{};            // the live tree at that time: generations are compared within one only
  bool operator==(const NewestRecord&) const = default;
};

Status write_volume_record(const std::string& folder, const VolumeRecord& record);
Result<VolumeRecord> read_volume_record(const std::string& folder);

Status write_newest_record(const std::string& folder, const NewestRecord& record);
// Nothing if the volume has no snapshot yet.
Result<std::optional<NewestRecord>> read_newest_record(const std::string& folder);

Status write_path_rules(const std::string& folder, const PathRules& rules);
// None if nobody has set any.
Result<PathRules> read_path_rules(const std::string& folder);

}  // namespace devrun::storage
