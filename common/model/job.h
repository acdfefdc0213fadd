// A job as every part of devrun understands it. Plain values; no clock, no descriptor, no protobuf
// (common/wire translates).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/digest.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/path_rules.h"

namespace devrun {

// What a rank asks of a node, or what a node has.
struct Resources {
  int64_t cpu_milli = 0;  // thousandths of a core
  int64_t memory_bytes = 0;
  int32_t gpus = 0;
  std::string gpu_type;          // empty: any
  int64_t gpu_memory_bytes = 0;  // that each GPU must have; of what a node has: 0
  // What a site counts beside these, by name: licences, FPGAs.
  std::map<std::string, int64_t> extras = {};
  // Of one GPU, in thousandths, which others may have the rest of; `gpus` is 1 then. 0: whole ones.
  int32_t gpu_milli = 0;
  bool operator==(const Resources&) const = default;
};

// Who runs the program, as the volume's root sees the ids.
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  uint32_t umask = 022;
  std::string user;  // login name, empty if the root has none for the uid
  std::string home;
  bool operator==(const Caller&) const = default;
};

// The file system an attempt starts from: a base tree and change sets laid over it in order, or,
// for a dev container, the live tree of the volume.
struct Root {
  std::string volume;
  Digest tree;
  std::vector<Digest> change_sets;
  bool live = false;
  // The tree without what jobs wrote that keep it to themselves (uploads), against which what comes home is told: the volume
  // has none of it. Zero: `tree`.
  Digest volume_tree = {};
  bool operator==(const Root&) const = default;
};

struct TerminalSize {
  uint32_t rows = 0;
  uint32_t columns = 0;
  bool operator==(const TerminalSize&) const = default;
};

struct Program {
  std::vector<std::string> argv;  // any bytes but NUL
  std::string cwd;
  // The environment, NAME=VALUE each ended by NUL, sealed (runtime/seal.h) wherever it is kept:
  // journal and store never hold a value in clear. The agent gets it opened, over TLS.
  std::string sealed_env;
  Caller caller;
  bool tty = false;
  TerminalSize terminal;
  bool reads_stdin = false;  // false: stdin is /dev/null
  // A program to run first, in the same container, with /dev/null as stdin. The program proper starts once it has
  // ended with 0 on every rank; if it fails, its status is the attempt's.
  std::vector<std::string> setup = {};
  bool operator==(const Program&) const = default;
};

// What becomes of what a job writes below its home paths.
enum class Results : uint8_t {
  kHome = 0,     // it appears in the volume
  kKeep = 1,     // it stays in the change set, as all else does
  kDiscard = 2,  // it goes with the job; there is no change set
};

struct ArrayRange {
  int32_t first = 0;
  int32_t last = 0;  // inclusive
  int32_t step = 1;
  bool operator==(const ArrayRange&) const = default;
};

// The last variable of a sweep changes fastest with the task's place in the array (common/model/sweep.h).
struct SweepVariable {
  std::string name;
  std::vector<std::string> values;  // at least one
  bool operator==(const SweepVariable&) const = default;
};
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};
// Jobs that begin together: the programs of none before all have had their setup; one that fails ends the others.
struct Group {
  JobId leader = 0;   // the member that was submitted first; 0: this one is
  uint32_t size = 0;  // members in all; 0: no group
  std::string name = {};
  std::string task = {};   // of this member: its ranks are called TASK-RANK.NAME
  bool secondary = false;  // ended once all members that are not have ended
  bool operator==(const Group&) const = default;
};
// Its place among the tasks of one file, a pipeline's or a group's.
struct Several {
  JobId leader = 0;  // the one that was submitted first; 0: this one is
  uint32_t index = 0;
  uint32_t size = 0;  // 0: the job stands alone
  bool operator==(const Several&) const = default;
};
// A setup step that is run once for all jobs that would find the same (docs/yaml.md, "Setup once"). Both are keyed
// hashes: they tell nothing of the environment, which is part of them.
struct SetupOnce {
  Digest key;          // of its text, environment and place; zero: it runs in every attempt
  Digest family;       // of what an edit of the text leaves as it is: volume, caller, name, folder
  bool fresh = false;  // what is kept is not used
  bool operator==(const SetupOnce&) const = default;
};
// Of a job that is such a step.
struct SetupRun {
  JobId job = 0;       // for which it was begun
  SetupOnce which;     // that one's
  Digest plain;        // what it begins with, without what setup steps wrote
  uint32_t ranks = 1;  // of that job
  JobId from = 0;      // the step on whose results it began; 0: none
  bool operator==(const SetupRun&) const = default;
};
// What a job's setup step came to.
enum class SetupHow : uint8_t {
  kHit = 1,   // it was skipped: a step that ran before would have done the same
  kNear = 2,  // it ran, beginning with what the newest one had left
  kCold = 3,  // it ran, beginning with the snapshot alone
};
std::string_view setup_how_name(SetupHow how);  // "hit" …
struct SetupUse {
  SetupHow how = SetupHow::kCold;
  JobId run = 0;       // the job that is, or was, the step
  Digest plain;        // the job's tree without what the step wrote
  std::string why;     // for people: what was found, or what had changed
  bool waits = false;  // for the run of another job, after which it is looked for again
  bool operator==(const SetupUse&) const = default;
};

struct JobSpec {
  std::string name;  // shown in `ps`; by default the program's last path component
  std::string user;  // the owner, as the controller authenticated them
  Root root;
  Program program;
  Resources per_node;
  uint32_t nodes = 1;              // ranks
  std::string pool;                // empty: any
  std::vector<ArrayRange> array;   // empty: no array
  uint32_t array_running_max = 0;  // 0: no limit
  // It starts when all of these have ended, have SUCCEEDED, or have ended otherwise. What they wrote is laid over its
  // snapshot.
  std::vector<JobId> after = {};
  std::vector<JobId> after_ok;
  std::vector<JobId> after_fail = {};
  Duration time_limit;         // 0: none
  int32_t priority = 0;        // higher first
  bool dev_container = false;  // root.live; runs on the storage host
  // Cancelled once nobody has been attached for so long, unless its caller left it on purpose.
  bool cancel_on_disconnect = false;
  Duration disconnect_grace = {};
  uint32_t retries = 0;  // further attempts after one that failed
  std::vector<int32_t> retry_on =
      {};                   // statuses; none: any failure but a cancellation and the time limit
  int32_t warn_signal = 0;  // sent once, warn_before before the time limit; 0: none
  Duration warn_before = {};
  PathRules paths = {};  // fixed when it is submitted
  Results results = Results::kHome;
  std::map<std::string, std::string> labels = {};       // for people, who look for jobs by them
  std::map<std::string, std::string> node_labels = {};  // only nodes that have all of these
  bool fresh = false;  // a later attempt sees nothing of what earlier ones brought home
  std::vector<SweepVariable> sweep = {};          // of an array: each task is one point
  std::vector<PortRange> ports = {};              // that its programs listen on, as it was told
  std::map<std::string, std::string> notes = {};  // of whoever submitted it, for people, by heading
  Group group = {};
  SetupOnce setup_once = {};               // of program.setup
  std::optional<SetupRun> setup_run = {};  // this job is a setup step
  // Statuses of the program after which there is another attempt that `retries` does not count, and whether there is one
  // when its node was lost, or could not start it. kRetriesMax in all.
  std::vector<int32_t> retry_always_on = {};
  bool retry_lost = false;
  // What a rank may ask for, as preferred; per_node is one of them. Empty: per_node alone. As long as no task of the job
  // has been placed, the scheduler may take another one (JobReshaped).
  std::vector<Resources> alternatives = {};
  Several several = {};
  // Of each volume of which it has folders live, by name: when that was made. What was granted is that one, whichever has the
  // name later.
  std::map<std::string, Time> live_volumes = {};
  bool operator==(const JobSpec&) const = default;
};

enum class JobState {
  kQueued = 1,
  kStarting = 2,
  kSettingUp = 3,
  kRunning = 4,
  kCompleting = 5,
  kUnreachable = 6,
  kSucceeded = 7,
  kFailed = 8,
  kCancelled = 9,
  kTimedOut = 10,
  kNodeLost = 11,
};
std::string_view state_name(JobState state);  // "QUEUED" …
bool is_final(JobState state);

// How an attempt ended. `status` is what the contract promises the caller: the program's own, 128+N
// for signal N, 126 and 127 as a shell says them, 125 if nothing could be run.
enum class EndCause {
  kExited = 1,      // the program ended by itself or by a signal
  kNotStarted = 2,  // set-up failed: nothing was run
  kCancelled = 3,
  kTimedOut = 4,
  kLost = 5,  // the shim or the node died: how the program ended is not known
};
// Why an attempt was not started, of one that was not.
enum class Fault {
  kNode = 0,    // its node could not
  kCaller = 1,  // what was asked for cannot be: nothing against the node
  kInterrupted =
      2,  // its agent ended while it set it up: nothing of it has run, and it may begin anew
};
struct Ending {
  EndCause cause = EndCause::kExited;
  int32_t status = 0;
  std::string reason;  // for people: "killed by signal 9", "cannot mount the snapshot: …"
  std::string hint;    // the next command, may be empty
  Fault fault = Fault::kNode;
  bool operator==(const Ending&) const = default;
};

// What an attempt has used; 0 where its node cannot tell.
struct Usage {
  Duration cpu;
  int64_t memory_peak_bytes = 0;
  int64_t memory_bytes = 0;  // now; 0 of one that has ended
  int64_t read_bytes = 0;    // from disks
  int64_t written_bytes = 0;
  bool operator==(const Usage&) const = default;
};

// A file that an attempt wrote (an entry of the upper layer), as listed at the end of a run.
struct WrittenFile {
  std::string path;
  char kind = 'M';  // A added, M modified, D deleted
  int64_t size_bytes = 0;
  bool operator==(const WrittenFile&) const = default;
};
// What became of it, as the controller answered the attempt's node.
struct HomeSummary {
  uint64_t files = 0;  // that the volume has of it
  int64_t bytes = 0;
  std::string folder;                // below which all of these lie: "/root/proj/out"
  std::vector<WrittenFile> notable;  // the first few of them, at most kNotableFilesMax
  uint64_t conflicts =
      0;  // entries that stay in the change set since the volume's were changed too
  std::vector<WrittenFile> conflicting;  // the first few of them
  uint64_t kept = 0;                     // entries that stay there since no path of theirs is home
  int64_t kept_bytes = 0;
  std::string failure;  // why what it wrote is not (wholly) in the store; empty: it is
  std::string hint;
  bool operator==(const HomeSummary&) const = default;
};
struct WrittenSummary {
  uint64_t files = 0;
  int64_t bytes = 0;
  std::string node;
  std::string folder;                    // where they lie on the node
  std::vector<WrittenFile> notable;      // the first few by path, at most kNotableFilesMax
  std::optional<HomeSummary> home = {};  // none: nothing of it was to be stored
  bool operator==(const WrittenSummary&) const = default;
};
inline constexpr size_t kNotableFilesMax = 20;

// When each stage of an attempt was done; 0 if not yet. The timeline that quickstart and
// bench/launch print.
struct Timeline {
  Time submitted;       // the controller has the request
  Time snapshot_taken;  // the snapshot is durable
  Time journaled;       // the job is durable; its id is answered
  Time placed;          // the scheduler chose a node
  Time agent_received;
  Time mounted;     // overlay on the snapshot
  Time started;     // crun has been told to start
  Time first_byte;  // of output, at the shim
  Time ended;
  bool operator==(const Timeline&) const = default;
};

}  // namespace devrun
