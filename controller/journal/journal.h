// The core's events in SQLite: WAL, synchronous=FULL, so that what `append` has returned survives
// power loss. One controller at a time: the file is locked for as long as it is open. Opened,
// replayed once, then appended to by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/base/result.h"
#include "controller/core/event.h"

struct sqlite3;
struct sqlite3_stmt;

namespace devrun::controller {

inline constexpr int kJournalSchema = 1;

class Journal {
 public:
  // Made if missing. kUnsupported if a newer devrun wrote it, kConflict if another process has it
  // open.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Every event in order.
  Status replay(const std::function<void(const Event&)>& visit);
  // All or none, in one transaction.
  Status append(std::span<const Event> events);

 private:
  Journal() = default;
  Status prepare(const std::string& path);
  Status run(const char* sql);
  Error failure(const std::string& doing) const;

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

}  // namespace devrun::controller
