// What is done with the change sets of one volume (home.h says what they are): bringing into the live
// tree what it lacks of one, and taking it out again. Serialized; blocking.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/tree/select.h"
#include "controller/storage/bodies.h"
#include "controller/storage/change_record.h"
#include "controller/storage/export_files.h"
#include "controller/storage/fault.h"
#include "controller/storage/setups.h"
#include "controller/storage/tree_set.h"
#include "controller/storage/volume.h"

namespace devrun::storage {

struct HomingParts {
  std::string export_path;
  std::string jobs_path;
  const Driver& driver;
  const ExportFiles& files;
  Bodies& bodies;
  const FaultPoint& fault;
  // A setup step's results are to be used again.
  std::function<Status(const SetupRecord&, tree::Reads, JobId from)> keep_setup = {};
};

class Homing {
 public:
  Homing(const HomingParts& parts, Volume& volume) : parts_(parts), volume_(volume) {}

  enum class Direction { kIn, kOut };
  struct Request {
    Direction direction = Direction::kIn;
    tree::Chooser choose;        // which of what the volume lacks of the change set (or has of it)
    bool beside = false;         // what has something else in its way: as NAME.devrun-JOB
    bool over = false;           // what has something else in its way: in its place
    bool trusts_bodies = false;  // they have just come, and were looked at
    const Caller* user = nullptr;  // whose rights count (closed_folders.h); none: nobody's
  };

  // Brings in what is chosen, or takes it out; `set` is then as it is now, and recorded. What it
  // says is durable when it returns. Call with the volume's home lock held. `trees`: of the volume, with
  // whatever is open there already. Where there is nothing to do, no snapshot is taken.
  Result<Taken> run(TreeSet& trees, ChangeSet& set, const Request& request);

  // What a crash left half done.
  Status recover(const Applying& applying);

 private:
  struct Trees;
  struct Merged;
  Result<tree::Entry> chosen(Trees& trees, const Request& request, const tree::Lineage& lineage);
  Status forget_settled(ChangeSet& set, const Request& request);
  Result<Merged> merge(Trees& trees, const Request& request, const tree::Entry& theirs);
  Result<std::vector<std::string>> torn_databases(Trees& trees, const tree::Entry& theirs);
  Result<std::vector<std::string>> in_closed_folders(Trees& trees, const Request& request,
                                                     const tree::Entry& theirs);
  Status take_beside_away(Trees& trees, const ChangeSet& set, Merged& merged);
  // How many were put.
  Result<uint64_t> put_beside(Trees& trees, const ChangeSet& set, const tree::Entry& theirs,
                              Merged& merged);
  Status write(Trees& trees, const ChangeSet& set, const Request& request, Merged& merged,
               Taken& taken);
  Status refuse_beyond_quota(Trees& trees, const tree::Entry& wanted);

  const HomingParts parts_;
  Volume& volume_;
};

// The files that make one database: SQLite's "x", "x-wal", "x-shm" and "x-journal". `path` itself is
// among them; alone, if its name tells of none.
std::vector<std::string> database_files(const std::string& path);

}  // namespace devrun::storage
