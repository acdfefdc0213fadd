#include "controller/journal/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/runtime/network_file_system.h"
#include "controller/core/archive.h"
#include "controller/journal/event_codec.h"
#include "controller/journal/schema.h"

namespace devrun::controller {

namespace {

constexpr std::string_view kReading = "reading the journal";
constexpr std::string_view kWriting = "writing the journal";
// Beside each transaction; and twice as many as it adds, so that they cannot pile up.
constexpr size_t kDeletedEventsMin = 1000;

constexpr std::string_view kInsert =
    "INSERT INTO event (job, node, joined, body) VALUES (?, ?, ?, ?)";
constexpr std::string_view kForgetHello = "DELETE FROM event WHERE node = ? AND joined = 1";
constexpr std::string_view kSetCarried =
    "INSERT OR REPLACE INTO event (id, job, node, joined, body) VALUES (0, 0, NULL, 0, ?)";
constexpr std::string_view kSetArchived = "INSERT OR IGNORE INTO archived VALUES (?)";
constexpr std::string_view kDeleteSome =
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE job = ? AND job != 0 LIMIT ?)";
constexpr std::string_view kDeletedAll = "DELETE FROM archived WHERE job = ?";
// A node's loss ended what lived there then. Once of all jobs that had begun by then nothing is left, and the node has
// come back, it says nothing any more.
constexpr std::string_view kForgetLosses =
    "DELETE FROM event WHERE node IS NOT NULL AND joined = 0"
    " AND id < ifnull((SELECT min(id) FROM event WHERE job != 0), 9223372036854775807)"
    " AND EXISTS (SELECT 1 FROM event AS newer"
    " WHERE newer.node = event.node AND newer.joined = 1 AND newer.id > event.id)";

}  // namespace

struct Journal::Statements {
  Statement insert;
  Statement forget_hello;
  Statement set_carried;
  Statement set_archived;
  Statement delete_some;
  Statement deleted_all;
};

Journal::Journal(std::unique_ptr<Database> database) : database_(std::move(database)) {}
Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  const std::string folder =
      path.find('/') == path.npos ? "." : path.substr(0, path.rfind('/') + 1);
  const Result<std::string_view> network = network_file_system_of(folder);
  if (network && !network->empty()) {
    return Error{Code::kUnsupported,
                 fmt::format("{} is on {}, where a second controller's lock might not be seen",
                             path, *network),
                 "a folder of this machine's own disk: 'state' in controller.yaml"};
  }
  std::unique_ptr<Journal> journal(new Journal(TRY(Database::open(path))));
  TRY(journal->prepare());
  return journal;
}

Status Journal::prepare() {
  // Exclusive before WAL: no shared-memory file, and the lock is held for good.
  TRY(database_->run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
      "opening the journal"));
  // What a controller had written but not synced when it was killed is read from the kernel's memory. It counts from
  // now on, so it has to be on the disk first.
  TRY(database_->run("PRAGMA wal_checkpoint(TRUNCATE)", "opening the journal"));
  TRY(prepare_schema(*database_));
  statements_ = std::unique_ptr<Statements>(new Statements{
      TRY(database_->prepare(kInsert, kWriting)), TRY(database_->prepare(kForgetHello, kWriting)),
      TRY(database_->prepare(kSetCarried, kWriting)),
      TRY(database_->prepare(kSetArchived, kWriting)),
      TRY(database_->prepare(kDeleteSome, kWriting)),
      TRY(database_->prepare(kDeletedAll, kWriting))});
  Statement archived = TRY(database_->prepare("SELECT job FROM archived", kReading));
  while (TRY(archived.step(kReading))) {
    archived_.insert(static_cast<JobId>(archived.integer(0)));
  }
  Statement carried = TRY(database_->prepare("SELECT body FROM event WHERE id = 0", kReading));
  if (TRY(carried.step(kReading))) carried_ = TRY(decode(carried.bytes(0)));
  return ok();
}

Status Journal::replay(const std::function<void(const Event&)>& visit) {
  Statement all = TRY(database_->prepare("SELECT id, job, body FROM event ORDER BY id", kReading));
  while (TRY(all.step(kReading))) {
    if (!archived_.empty() && archived_.contains(static_cast<JobId>(all.integer(1)))) continue;
    const Result<Event> event = decode(all.bytes(2));
    if (!event) {
      return Error(event.error())
          .context(fmt::format("reading the journal at event {}", all.integer(0)));
    }
    visit(*event);
  }
  return ok();
}

Status Journal::add(const Event& event) {
  const EventPlace place = place_of(event);
  if (place.joined) {
    statements_->forget_hello.bind_text(1, place.node);
    TRY(statements_->forget_hello.finish(kWriting));
  }
  const std::string body = encode(event);
  bind_place(statements_->insert, 1, place);
  statements_->insert.bind_blob(4, body);
  return statements_->insert.finish(kWriting);
}

Status Journal::archive(const Event& event) {
  const auto& archived = std::get<JobArchived>(event.kind);
  if (!carried_) carried_ = Event{event.at, Carried{}};
  carried_->at = event.at;
  carry(std::get<Carried>(carried_->kind), archived);
  const std::string body = encode(*carried_);
  statements_->set_carried.bind_blob(1, body);
  TRY(statements_->set_carried.finish(kWriting));
  statements_->set_archived.bind(1, static_cast<int64_t>(archived.job));
  TRY(statements_->set_archived.finish(kWriting));
  archived_.insert(archived.job);
  lost_may_go_ = true;
  return ok();
}

Status Journal::delete_archived(size_t events_max) {
  while (!archived_.empty() && events_max > 0) {
    const auto job = static_cast<int64_t>(*archived_.begin());
    statements_->delete_some.bind(1, job);
    statements_->delete_some.bind(2, static_cast<int64_t>(events_max));
    TRY(statements_->delete_some.finish(kWriting));
    const auto deleted = static_cast<size_t>(database_->changes());
    if (deleted >= events_max) return ok();
    events_max -= deleted;
    statements_->deleted_all.bind(1, job);
    TRY(statements_->deleted_all.finish(kWriting));
    archived_.erase(archived_.begin());
  }
  if (archived_.empty() && lost_may_go_) TRY(delete_lost());
  return ok();
}

Status Journal::delete_lost() {
  lost_may_go_ = false;
  Statement forget = TRY(database_->prepare(kForgetLosses, kWriting));
  return forget.finish(kWriting);
}

Status Journal::append(std::span<const Event> events) {
  if (events.empty()) return ok();
  return database_->in_transaction(kWriting, [&]() -> Status {
    for (const Event& event : events) {
      if (std::holds_alternative<JobArchived>(event.kind)) {
        TRY(archive(event));
      } else {
        TRY(add(event));
      }
    }
    return delete_archived(std::max(kDeletedEventsMin, 2 * events.size()));
  });
}

Result<std::unique_ptr<DatabaseCopy>> Journal::begin_copy(const std::string& path) {
  return DatabaseCopy::begin(*database_, path);
}

Status Journal::tidy() {
  if (archived_.empty() && !lost_may_go_) return ok();
  return database_->in_transaction(kWriting, [&] { return delete_archived(kDeletedEventsMin); });
}

}  // namespace devrun::controller
