// SQLite as the journal and the history use it: one owner for each handle, and errors as Results. A database and its
// statements belong to one thread at a time; statements end before their database. `doing` begins an error's message:
// "reading the journal". Errors: kConflict if another process has the file, kExhausted if the disk is full, kCorrupt
// for a damaged file, else kIo.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.h"

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;

namespace devrun::controller {

// Text and blobs that are bound must live until the next step; columns are valid until then.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // By index from 1.
  void bind(int index, int64_t value);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);
  void bind_null(int index);
  // Whether there is a row.
  Result<bool> step(std::string_view doing);
  // Of one that gives no rows: done, and ready for the next values.
  Status finish(std::string_view doing);
  void reset();

  // By column from 0.
  int64_t integer(int column) const;
  std::string_view bytes(int column) const;
  bool is_null(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Made if missing.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status run(const char* sql, std::string_view doing);
  Result<Statement> prepare(std::string_view sql, std::string_view doing);
  int64_t changes() const;  // rows that the last statement wrote or deleted
  // All or none of what `work` writes.
  template <typename Work>
  Status in_transaction(std::string_view doing, Work work) {
    TRY(run("BEGIN IMMEDIATE", doing));
    Status done = work();
    if (done) done = run("COMMIT", doing);
    if (!done) static_cast<void>(run("ROLLBACK", doing));
    return done;
  }

 private:
  friend class DatabaseCopy;
  explicit Database(sqlite3* db) : db_(db) {}
  sqlite3* db_;
};

// A copy into a new file, in steps; between them the database may be written through its own connection, and what is
// written then is in the copy, too. Used by the database's thread, and gone before it. The file is not synced.
class DatabaseCopy {
 public:
  static Result<std::unique_ptr<DatabaseCopy>> begin(Database& from, const std::string& path);
  ~DatabaseCopy();
  DatabaseCopy(const DatabaseCopy&) = delete;
  DatabaseCopy& operator=(const DatabaseCopy&) = delete;

  // At most so many pages; true: all of it is there. Negative: all.
  Result<bool> step(int pages);

 private:
  DatabaseCopy(std::unique_ptr<Database> to, sqlite3_backup* backup)
      : to_(std::move(to)), backup_(backup) {}
  std::unique_ptr<Database> to_;
  sqlite3_backup* backup_;
};

}  // namespace devrun::controller
