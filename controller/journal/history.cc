#include "controller/journal/history.h"

#include <fmt/format.h>

#include "controller/journal/job_codec.h"

namespace devrun::controller {

namespace {

constexpr std::string_view kOpening = "opening the history";
constexpr std::string_view kReading = "reading the history";
constexpr std::string_view kWriting = "writing the history";

constexpr const char* kTables =
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, user TEXT NOT NULL,"
    " name TEXT NOT NULL, volume TEXT NOT NULL, state INTEGER NOT NULL, status INTEGER NOT NULL,"
    " submitted_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, request_id TEXT NOT NULL,"
    " trees BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, body BLOB NOT NULL, row BLOB);"
    "CREATE TABLE IF NOT EXISTS label (key TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,"
    " PRIMARY KEY (key, value, id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS label_of_job ON label (id);"
    "CREATE INDEX IF NOT EXISTS job_user ON job (user);"
    "CREATE INDEX IF NOT EXISTS job_name ON job (name);"
    "CREATE INDEX IF NOT EXISTS job_volume ON job (volume);"
    "CREATE INDEX IF NOT EXISTS job_state ON job (state);"
    "CREATE INDEX IF NOT EXISTS job_status ON job (status);"
    "CREATE INDEX IF NOT EXISTS job_failed ON job (id) WHERE status != 0;"
    "CREATE INDEX IF NOT EXISTS job_ended ON job (ended_us);"
    "CREATE INDEX IF NOT EXISTS job_request ON job (request_id, user);"
    "INSERT OR IGNORE INTO meta VALUES ('schema', 1);";

constexpr std::string_view kPutJob =
    "INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kPutLabel = "INSERT OR IGNORE INTO label VALUES (?, ?, ?)";
constexpr std::string_view kPutRecord = "INSERT OR REPLACE INTO record VALUES (?, ?, ?)";
constexpr std::string_view kFind = "SELECT body FROM record WHERE id = ?";
constexpr std::string_view kFindRequest =
    "SELECT id FROM job WHERE request_id = ? AND user = ? ORDER BY id DESC LIMIT 1";

std::string trees_of(const Job& job) {
  std::string out(job.spec.root.tree.view());
  const auto add = [&out](const Digest& tree) {
    if (!tree.is_zero()) out += tree.view();
  };
  add(job.root);
  if (job.setup) add(job.setup->plain);
  add(volume_tree_of(job));
  for (const auto& [index, task] : job.tasks) {
    add(task.root);
    for (const PastAttempt& past : task.past) add(past.root);
  }
  return out;
}

Result<std::vector<Digest>> trees_from(std::string_view bytes) {
  constexpr size_t kSize = sizeof(Digest::bytes);
  std::vector<Digest> out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kSize, bytes.size()))) {
    const auto tree = Digest::from_bytes(bytes.substr(0, kSize));
    if (!tree) return Error{Code::kCorrupt, "reading the history: a tree whose name is none", {}};
    out.push_back(*tree);
  }
  return out;
}

}  // namespace

struct History::Statements {
  Statement put_job;
  Statement put_label;
  Statement put_record;
  Statement find;
  Statement find_request;
};

History::History(std::unique_ptr<Database> database) : database_(std::move(database)) {}
History::~History() = default;

Result<std::unique_ptr<History>> History::open(const std::string& path) {
  std::unique_ptr<History> history(new History(TRY(Database::open(path))));
  TRY(history->prepare());
  return history;
}

Status History::prepare() {
  TRY(database_->run("PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                     kOpening));
  TRY(database_->in_transaction(kOpening, [&] { return database_->run(kTables, kOpening); }));
  {
    Statement version =
        TRY(database_->prepare("SELECT value FROM meta WHERE key = 'schema'", kOpening));
    if (!TRY(version.step(kOpening)) || version.integer(0) != kHistorySchema) {
      return Error{Code::kUnsupported,
                   fmt::format("{}: it has schema {}, this devrun-controller knows {}", kOpening,
                               version.integer(0), kHistorySchema),
                   "start the version of devrun-controller that wrote it"};
    }
  }
  statements_ = std::unique_ptr<Statements>(new Statements{
      TRY(database_->prepare(kPutJob, kWriting)), TRY(database_->prepare(kPutLabel, kWriting)),
      TRY(database_->prepare(kPutRecord, kWriting)), TRY(database_->prepare(kFind, kReading)),
      TRY(database_->prepare(kFindRequest, kReading))});
  return ok();
}

Status History::put_one(const HistoryEntry& entry) {
  const Job& job = entry.job;
  const auto id = static_cast<int64_t>(job.id);
  const std::string trees = trees_of(job);
  Statement& put = statements_->put_job;
  put.bind(1, id);
  put.bind_text(2, job.spec.user);
  put.bind_text(3, job.spec.name);
  put.bind_text(4, job.spec.root.volume);
  put.bind(5, static_cast<int64_t>(job.outcome->state));
  put.bind(6, job.outcome->ending.status);
  put.bind(7, job.timeline.submitted.us);
  put.bind(8, job.outcome->at.us);
  put.bind_text(9, job.request_id);
  put.bind_blob(10, trees);
  TRY(put.finish(kWriting));
  Statement& label = statements_->put_label;
  for (const auto& [key, value] : job.spec.labels) {
    label.bind_text(1, key);
    label.bind_text(2, value);
    label.bind(3, id);
    TRY(label.finish(kWriting));
  }
  const std::string body = encode_job(job);
  Statement& record = statements_->put_record;
  record.bind(1, id);
  record.bind_blob(2, body);
  if (entry.row.empty()) {
    record.bind_null(3);
  } else {
    record.bind_blob(3, entry.row);
  }
  return record.finish(kWriting);
}

Status History::put(std::span<const HistoryEntry> entries) {
  return database_->in_transaction(kWriting, [&]() -> Status {
    for (const HistoryEntry& entry : entries) TRY(put_one(entry));
    return ok();
  });
}

Result<std::optional<Job>> History::find(JobId job) {
  Statement& find = statements_->find;
  find.bind(1, static_cast<int64_t>(job));
  const Result<bool> row = find.step(kReading);
  Result<std::optional<Job>> out = std::optional<Job>();
  if (!row) {
    out = row.error();
  } else if (*row) {
    Result<Job> decoded = decode_job(find.bytes(0));
    if (decoded) {
      out = std::optional<Job>(std::move(*decoded));
    } else {
      out = Error(decoded.error()).context(fmt::format("{} of job {}", kReading, job));
    }
  }
  find.reset();
  return out;
}

Result<std::optional<JobId>> History::find_request(const std::string& user,
                                                   const std::string& request_id) {
  Statement& find = statements_->find_request;
  find.bind_text(1, request_id);
  find.bind_text(2, user);
  const Result<bool> row = find.step(kReading);
  std::optional<JobId> out;
  if (row && *row) out = static_cast<JobId>(find.integer(0));
  find.reset();
  if (!row) return row.error();
  return out;
}

Result<std::vector<HistoryTrees>> History::trees(const std::string& volume, Time ended_since,
                                                 size_t jobs_max) {
  Statement all = TRY(database_->prepare(
      volume.empty() ? "SELECT id, trees FROM job NOT INDEXED WHERE ended_us >= ?"
                       " ORDER BY id DESC LIMIT ?"
                     : "SELECT id, trees FROM job INDEXED BY job_volume WHERE ended_us >= ?"
                       " AND volume = ?3 ORDER BY id DESC LIMIT ?2",
      kReading));
  all.bind(1, ended_since.us);
  all.bind(2, static_cast<int64_t>(jobs_max));
  if (!volume.empty()) all.bind_text(3, volume);
  std::vector<HistoryTrees> out;
  while (TRY(all.step(kReading))) {
    out.push_back({static_cast<JobId>(all.integer(0)), TRY(trees_from(all.bytes(1)))});
  }
  return out;
}

Status History::owners(
    const std::function<void(JobId job, std::string_view user, Time ended)>& take) {
  Statement all = TRY(database_->prepare("SELECT id, user, ended_us FROM job", kReading));
  while (TRY(all.step(kReading))) {
    take(static_cast<JobId>(all.integer(0)), all.bytes(1), Time{all.integer(2)});
  }
  return ok();
}

Status History::copy_to(const std::string& path) {
  const std::unique_ptr<DatabaseCopy> copy = TRY(DatabaseCopy::begin(*database_, path));
  while (!TRY(copy->step(-1))) continue;
  return ok();
}

Result<size_t> History::remove_ended_before(Time time, size_t jobs_max) {
  size_t removed = 0;
  const auto remove_some = [&]() -> Status {
    std::vector<int64_t> jobs;
    {
      Statement some = TRY(database_->prepare(
          "SELECT id FROM job WHERE ended_us < ? ORDER BY ended_us LIMIT ?", kReading));
      some.bind(1, time.us);
      some.bind(2, static_cast<int64_t>(jobs_max));
      while (TRY(some.step(kReading))) jobs.push_back(some.integer(0));
    }
    for (const char* sql : {"DELETE FROM job WHERE id = ?", "DELETE FROM record WHERE id = ?",
                            "DELETE FROM label WHERE id = ?"}) {
      Statement remove = TRY(database_->prepare(sql, kWriting));
      for (const int64_t job : jobs) {
        remove.bind(1, job);
        TRY(remove.finish(kWriting));
      }
    }
    removed = jobs.size();
    return ok();
  };
  TRY(database_->in_transaction(kWriting, remove_some));
  return removed;
}

}  // namespace devrun::controller
