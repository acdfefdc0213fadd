// What attempts wrote, in the store: receiving it (HomeRound), bringing its home part into the
// volume, and taking it there or out of it later.
//
// A change set is a pair of trees in the export: `root`, that the attempt began with, and `left`,
// that it left. A third, `taken`, is `root` with all of the change set that the volume has, or had:
// the state against which both sides are compared the next time. So the parts are
//
//   root  → left    what the attempt wrote
//   root  → taken   what of it came home
//   taken → left    what of it did not
//
// Bringing home is: a snapshot of the volume (`now`); the merge of taken → the new `taken` over now
// (common/tree/merge.h); and writing what the merge says into the live tree, entry by entry, each
// only where the live tree still has what the snapshot had (home_writer.h). Whatever is in the way
// is a conflict: it stays in the change set and the volume's own stays where it is.
//
//   jobs/J/T.R.A/changes    the record of it (JSON), replaced durably by each round
//   jobs/J/T.R.A/applying   while its entries are written: the trees, so that after a crash what was
//                           half done is seen (home_writer.h)
//
// All of it repeats safely: an entry that is in the volume already equals what is wanted.
// Any thread; work for one volume is serialized inside.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/tree/merge.h"
#include "common/tree/tree.h"

namespace devrun::storage {

struct HomeStart {
  AttemptKey key;
  std::string volume;
  Digest root;           // of the attempt
  PathRules rules;       // which of it comes home
  bool final = false;    // the whole of its upper is told; else what was completed, so far
  bool applies = false;  // false: all of it stays in the change set
  Caller user = {};      // whose job it is
  // Of a job whose tree has what its setup step wrote, or uploads: the tree without, and with it. What comes home, and its
  // change set, are against the first.
  Digest plain = {};
  Digest given = {};
  // Of a setup step itself: once its last round has come with what it read, it is kept under this.
  std::optional<SetupRun> setup_run = {};
};

// An entry of an upper, as proto/devrun/v1/agent.proto's HomeEntry.
struct UpperItem {
  std::string path;   // "" is the root
  tree::Entry entry;  // without name
  bool whiteout = false;
  bool opaque = false;
  std::string redirect;
  bool metacopy = false;
  bool unnamed = false;
  bool copied_up = false;
};

// One round of one attempt. One thread. Errors: kExhausted: store or quota is full; kConflict: bytes
// are not those of their body; kInvalid: what is told is out of order or no upper; kNotFound: no
// such volume or tree any more. After an error the round is over and nothing of it counts, but
// bodies that have come spare the next one their bytes.
class HomeRound {
 public:
  virtual ~HomeRound() = default;
  // The next entries; the places, among all of the round, of those whose bytes are wanted.
  virtual Result<std::vector<uint64_t>> add(std::vector<UpperItem> items) = 0;
  virtual Status bytes(uint64_t entry, std::string_view data, bool last) = 0;
  // So many zeros come next.
  virtual Status zeros(uint64_t entry, uint64_t count) = 0;
  virtual Status unsent(uint64_t entry) = 0;
  // What a setup step asked of its tree, piece by piece. Of one that failed it is kept with its change set alone.
  enum class ReadsOf : uint8_t { kSuccess, kFailure };
  virtual Status reads(std::string_view data, ReadsOf of) = 0;
  // Once all is told and has come. Durable when it returns.
  virtual Result<HomeSummary> finish() = 0;
};

struct ChangeSet {
  AttemptKey key;
  std::string volume;
  Digest root;
  Digest left;
  Digest taken;
  // Of a job that was given more than the volume has (HomeStart.plain), once it is complete: all that it began with, and
  // what it left of that; `root` and `left` are without. Zero: these are `root` and `left`.
  Digest given = {};
  Digest whole = {};
  const Digest& began_with() const { return whole.is_zero() ? root : given; }
  const Digest& ended_with() const { return whole.is_zero() ? left : whole; }
  bool complete = false;  // false: only a part of what it wrote has come
  bool applies = false;
  Time changed;
  std::vector<std::string> conflicts;  // paths, at most kConflictsRecordedMax
  bool operator==(const ChangeSet&) const = default;
};
inline constexpr size_t kConflictsRecordedMax = 10'000;

// What of a change set is laid over a tree: all that was written; what came home; or all that was written, with what was
// done to what the job had been given besides (deletions of uploads).
enum class Laid : uint8_t { kLeft = 1, kTaken = 2, kWhole = 3 };
struct Layer {
  AttemptKey key;
  Laid laid = Laid::kWhole;
};

enum class ChangeState : uint8_t {
  kHome = 1,      // is in the volume, or was when it came
  kKept = 2,      // in the change set alone
  kConflict = 3,  // likewise, since the volume's was changed too
};
// Valid during the call that tells it.
struct Change {
  std::string path;  // "root/proj/x"
  char kind = 'M';   // A added, M modified, D deleted
  const tree::Entry* before = nullptr;
  const tree::Entry* after = nullptr;
  ChangeState state = ChangeState::kKept;
};
using ChangeSink = std::function<Status(const Change&)>;

// What taking a change set into the volume, or out of it, has done.
struct Taken {
  uint64_t files = 0;  // entries that were written or removed
  int64_t bytes = 0;
  uint64_t beside = 0;                 // written beside the volume's own
  std::vector<std::string> conflicts;  // paths that were left as they are, at most 1000
  uint64_t conflicts_in_all = 0;
  std::string
      kept;  // the snapshot ("box@7") that has what was overwritten; empty: nothing was, or could be
};

struct TakeRequest {
  AttemptKey key;
  std::vector<std::string> paths;  // as path_in_volume gives them; none: all that is kept or in
                                   // conflict
  // Where the volume has something else in the way: write the job's as NAME.devrun-JOB.
  bool beside = false;
  // Overwrite what is in the way; a snapshot that keeps it is taken first.
  bool over = false;
};

}  // namespace devrun::storage
