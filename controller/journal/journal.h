// The core's events in SQLite: WAL, synchronous=FULL, so that what `append` has returned survives power loss. One
// controller at a time: the file is locked for as long as it is open. Opened, replayed once, then appended to by one
// thread.
//
// Events of archived jobs go, and so do hellos of nodes that newer ones replace, so that the file's size follows what
// lives. JobArchived is no row among the events but one in `archived`, from which moment a replay skips all of that
// job; its events are then deleted a few at a time with whatever is appended. What the ledger keeps of such jobs is
// event 0, Carried, which a replay visits first.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "common/base/result.h"
#include "controller/core/event.h"
#include "controller/journal/sqlite.h"

namespace devrun::controller {

class Journal {
 public:
  // Made if missing; one that an older devrun wrote is brought up to date (schema.h). kUnsupported if a newer devrun
  // wrote it, kConflict if another process has it open.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Every event in order.
  Status replay(const std::function<void(const Event&)>& visit);
  // All or none, in one transaction. After an error what is in memory may be ahead of the file: open it anew.
  Status append(std::span<const Event> events);
  // Without events to append: goes on deleting those of archived jobs.
  Status tidy();
  // Of all that has been appended by the copy's last step. On the thread that appends.
  Result<std::unique_ptr<DatabaseCopy>> begin_copy(const std::string& path);

 private:
  struct Statements;
  explicit Journal(std::unique_ptr<Database> database);
  Status prepare();
  Status add(const Event& event);
  Status archive(const Event& event);
  Status delete_archived(size_t events_max);
  Status delete_lost();

  std::unique_ptr<Database> database_;
  std::unique_ptr<Statements> statements_;
  std::optional<Event> carried_;  // event 0
  std::set<JobId> archived_;      // jobs whose events are not all deleted yet
  bool lost_may_go_ = false;      // since jobs have gone
};

}  // namespace devrun::controller
