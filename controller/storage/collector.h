// Deleting from the export what nothing refers to any more: manifests of trees that are no roots,
// packs that no manifest names, bodies that no tree has.
//
//   mark    walks the trees of all roots, newest first
//   sweep   lists the export; what is not marked is a candidate, and a candidate of the run before
//           is deleted: so a file goes only if two runs found nothing that refers to it
//
// Safe against snapshots that are being built meanwhile (recent_uses.h), and against a crash at any
// moment: manifests go before packs and packs before bodies, and nothing but the export's files
// says what there is. Works a fifth of the time and rests the others.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "controller/storage/fault.h"

namespace devrun::storage {

class ExportFiles;
class RecentUses;

inline constexpr Duration kAskedForKept = seconds(3600);

// How long snapshots that nobody pinned stay: those beyond either limit go. A volume's newest one
// and those of `JobTrees` always stay.
struct Retention {
  Duration age = seconds(30 * 24 * 3600);
  size_t count = 1000;  // of a volume
};
using JobTrees = std::unordered_set<Digest>;

struct CollectRequest {
  Retention retention;
  // The trees of jobs that live, and of ended ones whose history is kept; asked first.
  std::function<Result<JobTrees>()> job_trees;
  const std::atomic<bool>* stop = nullptr;  // ends the run soon, with kCancelled
  bool rest = true;
};

struct Collected {
  size_t snapshots = 0;  // forgotten, of the catalogs
  size_t volumes = 0;    // removed ones whose time has passed
  size_t manifests = 0;
  size_t packs = 0;
  size_t bodies = 0;
  int64_t bytes = 0;      // of these files
  size_t candidates = 0;  // files that may go next time
};

// Rests four times as long as it has worked since it rested last, a second at most.
class Pace {
 public:
  Pace(const std::atomic<bool>* stop, bool rest);
  Status step();  // kCancelled once stopped

 private:
  const std::atomic<bool>* const stop_;
  const bool rest_;
  int64_t since_us_;
};

class Collector {
 public:
  Collector(std::string export_path, const ExportFiles& files, RecentUses& uses, FaultPoint fault)
      : export_path_(std::move(export_path)),
        files_(files),
        uses_(uses),
        fault_(std::move(fault)) {}

  // Call uses.forget_ended() before `roots` are gathered. Roots without a manifest are left out; a
  // damaged one ends the run before anything is deleted.
  Status run(std::span<const Digest> roots, Pace& pace, Collected& done);

 private:
  struct Marked {
    std::unordered_set<Digest> trees;
    std::unordered_set<Digest> packs;
    std::unordered_set<uint64_t> bodies;  // first bytes of their ids: one too many spares a file
  };
  Result<Marked> mark(std::span<const Digest> roots, Pace& pace) const;
  Status sweep(const Marked& marked, Pace& pace, Collected& done);
  Status sweep_folder(const std::string& folder, const Marked& marked, Collected& done);
  Status consider(const std::string& path, size_t& count, Collected& done);

  const std::string export_path_;
  const ExportFiles& files_;
  RecentUses& uses_;
  const FaultPoint fault_;
  std::unordered_set<size_t> candidates_;  // of the run before, by the hash of the path
  std::unordered_set<size_t> found_;       // of this run
};

}  // namespace devrun::storage
