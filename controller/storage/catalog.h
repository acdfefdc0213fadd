// The snapshots of one volume: an append-only log of JSON lines in volumes/V/snapshots/log, folded
// into memory when it is opened. Each line is the beginning of a snapshot ({"number", "tree", …}),
// or what became of one ({"pin": N, "message"}, {"remove": N}). Adding one costs a line however
// many there are.
//
// A line that was cut off at the end is none: it was not acknowledged. What a failed call left there
// (a full disk) is dropped before anything is appended. Anything else that does not
// parse is kCorrupt, and the volume is then not used: collecting by half a list would destroy what
// the other half needs.
//
// Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::storage {

inline constexpr size_t kSnapshotMessageBytesMax = 1024;

struct SnapshotRecord {
  uint64_t number = 0;  // from 1 within a volume; never used twice
  Digest tree;
  Time taken;
  uint64_t files = 0;
  int64_t bytes = 0;
  int64_t changed_bytes = 0;  // of files that were read anew for it
  uint64_t generation = 0;    // see Instant
  bool pinned = false;        // kept until somebody removes it
  std::string message;
  bool operator==(const SnapshotRecord&) const = default;
};

class Catalog {
 public:
  // `folder` is the volume's; its snapshots/ is made if missing.
  static Result<std::unique_ptr<Catalog>> open(const std::string& folder);

  // Changes nothing there, not even a line that was cut off; for looking only.
  static Result<std::unique_ptr<Catalog>> open_to_read(const std::string& folder);

  std::vector<SnapshotRecord> records() const;  // ascending
  size_t count() const;
  uint64_t last_number() const;  // also of removed ones; 0: none yet
  std::optional<SnapshotRecord> at(uint64_t number) const;
  std::optional<SnapshotRecord> newest() const;
  // That of the instant `generation` (not 0).
  std::optional<SnapshotRecord> of_generation(uint64_t generation) const;
  // By its number, or by the first digits (4 at least) of its tree: the newest of those.
  // kNotFound, kConflict if several trees begin so; the message does not name the volume.
  Result<SnapshotRecord> find(const std::string& name) const;

  // Durable when they return.
  Status add(std::span<const SnapshotRecord> records);
  Status pin(uint64_t number, const std::string& message);
  Status remove(std::span<const uint64_t> numbers);

 private:
  explicit Catalog(std::string path) : path_(std::move(path)) {}
  Status read(bool mend);
  Status apply(const std::string& line);
  Status append(const std::string& lines);
  Status drop_rest(int file) const;
  Status rewrite_if_mostly_removed();

  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<uint64_t, SnapshotRecord> records_;
  uint64_t last_number_ = 0;
  size_t lines_ = 0;
  size_t bytes_ = 0;  // of the log, up to the last acknowledged line
};

}  // namespace devrun::storage
