#include "controller/journal/journal.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "controller/journal/event_codec.h"

namespace devrun::controller {

namespace {

// Finalizes a statement at the end of a scope.
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement prepared(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  return Statement(statement);
}

}  // namespace

Journal::~Journal() {
  sqlite3_finalize(insert_);
  sqlite3_close(db_);
}

Error Journal::failure(const std::string& doing) const {
  const int code = sqlite3_errcode(db_) & 0xff;
  Error error{Code::kIo, fmt::format("{}: {}", doing, sqlite3_errmsg(db_)), {}};
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    error = {Code::kConflict, doing + ": another devrun-controller has it open", "devrun down"};
  }
  if (code == SQLITE_FULL) error.code = Code::kExhausted;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) error.code = Code::kCorrupt;
  return error;
}

Status Journal::run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure("writing the journal");
  }
  return ok();
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  std::unique_ptr<Journal> journal(new Journal);
  TRY(journal->prepare(path));
  return journal;
}

Status Journal::prepare(const std::string& path) {
  const std::string doing = "opening the journal " + path;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &db_, kFlags, nullptr) != SQLITE_OK) return failure(doing);
  sqlite3_extended_result_codes(db_, 1);
  // Exclusive before WAL: no shared-memory file, and the lock is held for good.
  constexpr const char* kSetUp =
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);"
      "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, body BLOB NOT NULL);"
      "INSERT OR IGNORE INTO meta VALUES ('schema', 1);"
      "COMMIT;";
  if (sqlite3_exec(db_, kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(doing);
  const Statement version = prepared(db_, "SELECT value FROM meta WHERE key = 'schema'");
  if (!version || sqlite3_step(version.get()) != SQLITE_ROW) return failure(doing);
  const int schema = sqlite3_column_int(version.get(), 0);
  if (schema != kJournalSchema) {
    return Error{Code::kUnsupported,
                 fmt::format("{}: it has schema {}, this devrun-controller knows {}", doing, schema,
                             kJournalSchema),
                 "start the version of devrun-controller that wrote it"};
  }
  constexpr const char* kInsert = "INSERT INTO event (body) VALUES (?)";
  if (sqlite3_prepare_v3(db_, kInsert, -1, SQLITE_PREPARE_PERSISTENT, &insert_, nullptr) !=
      SQLITE_OK) {
    return failure(doing);
  }
  return ok();
}

Status Journal::replay(const std::function<void(const Event&)>& visit) {
  const Statement all = prepared(db_, "SELECT id, body FROM event ORDER BY id");
  if (!all) return failure("reading the journal");
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(all.get())) == SQLITE_ROW) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(all.get(), 1));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(all.get(), 1));
    Result<Event> event = decode({bytes, size});
    if (!event) {
      return std::move(event).error().context(
          fmt::format("reading the journal at event {}", sqlite3_column_int64(all.get(), 0)));
    }
    visit(*event);
  }
  if (code != SQLITE_DONE) return failure("reading the journal");
  return ok();
}

Status Journal::append(std::span<const Event> events) {
  if (events.empty()) return ok();
  TRY(run("BEGIN IMMEDIATE"));
  for (const Event& event : events) {
    const std::string body = encode(event);
    sqlite3_bind_blob64(insert_, 1, body.data(), body.size(), SQLITE_STATIC);
    const int code = sqlite3_step(insert_);
    sqlite3_reset(insert_);
    if (code == SQLITE_DONE) continue;
    const Error error = failure("writing the journal");
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return error;
  }
  if (Status committed = run("COMMIT"); !committed) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return committed;
  }
  return ok();
}

}  // namespace devrun::controller
