#include "controller/journal/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace devrun::controller {

namespace {

Error failure(sqlite3* db, std::string_view doing) {
  const int code = sqlite3_errcode(db) & 0xff;
  Error error{Code::kIo, fmt::format("{}: {}", doing, sqlite3_errmsg(db)), {}};
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    error = {Code::kConflict, fmt::format("{}: another devrun-controller has it open", doing),
             "devrun down"};
  }
  if (code == SQLITE_FULL) error.code = Code::kExhausted;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) error.code = Code::kCorrupt;
  return error;
}

}  // namespace

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::bind(int index, int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
}
void Statement::bind_text(int index, std::string_view value) {
  sqlite3_bind_text64(statement_, index, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void Statement::bind_blob(int index, std::string_view value) {
  sqlite3_bind_blob64(statement_, index, value.data(), value.size(), SQLITE_STATIC);
}
void Statement::bind_null(int index) {
  sqlite3_bind_null(statement_, index);
}

Result<bool> Statement::step(std::string_view doing) {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(sqlite3_db_handle(statement_), doing);
}

Status Statement::finish(std::string_view doing) {
  const Result<bool> row = step(doing);
  reset();
  return row ? ok() : Status(row.error());
}

void Statement::reset() {
  sqlite3_reset(statement_);
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
std::string_view Statement::bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, kFlags, nullptr);
  std::unique_ptr<Database> out(new Database(db));
  if (code != SQLITE_OK) return failure(db, "opening " + path);
  sqlite3_extended_result_codes(db, 1);
  return out;
}

Database::~Database() {
  sqlite3_close(db_);
}

Status Database::run(const char* sql, std::string_view doing) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(db_, doing);
  return ok();
}

Result<Statement> Database::prepare(std::string_view sql, std::string_view doing) {
  sqlite3_stmt* statement = nullptr;
  const int size = static_cast<int>(sql.size());
  if (sqlite3_prepare_v3(db_, sql.data(), size, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return failure(db_, doing);
  }
  return Statement(statement);
}

int64_t Database::changes() const {
  return sqlite3_changes64(db_);
}

Result<std::unique_ptr<DatabaseCopy>> DatabaseCopy::begin(Database& from, const std::string& path) {
  std::unique_ptr<Database> to = TRY(Database::open(path));
  TRY(to->run("PRAGMA synchronous=OFF", "copying to " + path));
  sqlite3_backup* const backup = sqlite3_backup_init(to->db_, "main", from.db_, "main");
  if (backup == nullptr) return failure(to->db_, "copying to " + path);
  return std::unique_ptr<DatabaseCopy>(new DatabaseCopy(std::move(to), backup));
}

DatabaseCopy::~DatabaseCopy() {
  sqlite3_backup_finish(backup_);
}

Result<bool> DatabaseCopy::step(int pages) {
  const int code = sqlite3_backup_step(backup_, pages);
  if (code == SQLITE_OK) return false;
  if (code == SQLITE_DONE) return true;
  return Error{(code & 0xff) == SQLITE_FULL ? Code::kExhausted : Code::kIo,
               fmt::format("copying a database: {}", sqlite3_errstr(code)),
               {}};
}

}  // namespace devrun::controller
