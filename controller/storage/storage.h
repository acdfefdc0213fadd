// Volumes and their snapshots, on the storage host. The records live in the store itself
// (volumes/V/volume.json, export/trees/…), so that the store can be moved and checked without a
// journal.
//
// Every call blocks and may be made from any thread; calls for one volume are serialized inside. A
// snapshot that was acknowledged survives power loss.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/tree/tree.h"

namespace devrun::storage {

struct Snapshot {
  Digest tree;
  Time taken;  // when its instant was
  uint64_t files = 0;
  int64_t bytes = 0;
};

struct VolumeInfo {
  std::string name;
  std::string owner;
  std::string driver;  // btrfs, scan
  Time created;
  Snapshot newest;  // zero tree: none yet
};

struct FromDebootstrap {
  std::string suite;
  std::vector<std::string> include;
};
struct FromFolder {
  std::string path;
};
struct Empty {};
using VolumeSource = std::variant<FromDebootstrap, FromFolder, Empty>;

// Called with a line for people, from the thread of the call.
using ProgressLine = std::function<void(std::string_view)>;

class Storage {
 public:
  // `store` is the folder that holds volumes/, export/ and jobs/; created if missing. kUnsupported
  // if volumes cannot be on its file system (see driver.h). Undoes what a crash left half done.
  static Result<std::unique_ptr<Storage>> open(std::string store);

  virtual ~Storage() = default;

  // kInvalid for a bad name, kExists for a taken one. Nothing of it is left after a failure.
  virtual Status create_volume(const std::string& name, const std::string& owner,
                               const VolumeSource& source, const ProgressLine& progress) = 0;
  // Kept aside for 7 days; returns until when.
  virtual Result<Time> remove_volume(const std::string& name) = 0;
  virtual Result<std::vector<VolumeInfo>> volumes() = 0;
  virtual Result<VolumeInfo> volume(const std::string& name) = 0;

  // The state of the live tree at an instant after the call began; durable when it returns. Calls
  // that wait for one in progress share the next one.
  virtual Result<Snapshot> take_snapshot(const std::string& volume) = 0;

  // Absolute paths on the storage host.
  virtual std::string live_path(const std::string& volume) const = 0;
  virtual std::string export_path() const = 0;
  virtual std::string jobs_path() const = 0;
};

// [a-z0-9][a-z0-9._-]{0,62}
Status check_volume_name(std::string_view name);

}  // namespace devrun::storage
