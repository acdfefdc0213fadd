// What the calls about volumes and snapshots take (see Controller).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/model/path_rules.h"

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

// Of a job: what is not named is all there is (see ChangesOf of the protocol).
struct JobPart {
  JobId job = 0;
  std::optional<int32_t> task = {};
  std::optional<uint32_t> rank = {};
  std::optional<uint32_t> attempt = {};
};
// "42", "42_3", "42.1", "42#2".
Result<JobPart> parse_job_part(const std::string& text);
std::string to_string(const JobPart& part);

// A state of a volume: of it, or what a job began with or left.
struct TreeName {
  std::variant<SnapshotName, JobPart> of;
  bool left = false;
};

struct TakeWish {
  JobPart of;
  std::vector<std::string> paths;  // absolute; none: all that is left to take
  bool beside = false;
  bool over = false;
};

// What to change of the kinds of a volume's paths.
struct PathsChange {
  std::string volume;  // empty: the container's
  PathRules set;
  PathRules unset;  // by path and name
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
