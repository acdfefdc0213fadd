#include "controller/journal/schema.h"

#include <fmt/format.h>

#include "controller/journal/event_codec.h"

namespace devrun::controller {

namespace {

constexpr std::string_view kDoing = "opening the journal";

constexpr const char* kTables =
    "CREATE TABLE event (id INTEGER PRIMARY KEY, job INTEGER NOT NULL, node TEXT,"
    " joined INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX event_of_job ON event (job) WHERE job != 0;"
    "CREATE INDEX event_of_node ON event (node) WHERE node IS NOT NULL;"
    "CREATE TABLE archived (job INTEGER PRIMARY KEY);";

Result<int64_t> schema_of(Database& database) {
  Statement version = TRY(database.prepare("SELECT value FROM meta WHERE key = 'schema'", kDoing));
  return TRY(version.step(kDoing)) ? version.integer(0) : 0;
}

Status set_schema(Database& database) {
  Statement set = TRY(database.prepare("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", kDoing));
  set.bind(1, kJournalSchema);
  return set.finish(kDoing);
}

Status from_1(Database& database) {
  TRY(database.run("ALTER TABLE event RENAME TO event_1", kDoing));
  TRY(database.run(kTables, kDoing));
  Statement all = TRY(database.prepare("SELECT id, body FROM event_1 ORDER BY id", kDoing));
  Statement insert = TRY(database.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?)", kDoing));
  while (TRY(all.step(kDoing))) {
    const Result<Event> event = decode(all.bytes(1));
    if (!event) {
      return Error(event.error())
          .context(fmt::format("bringing the journal up to date, at event {}", all.integer(0)));
    }
    const EventPlace place = place_of(*event);
    insert.bind(1, all.integer(0));
    bind_place(insert, 2, place);
    insert.bind_blob(5, all.bytes(1));
    TRY(insert.finish(kDoing));
  }
  all.reset();
  // Of each node the newest hello is enough.
  return database.run(
      "DELETE FROM event WHERE joined = 1 AND EXISTS (SELECT 1 FROM event AS newer"
      " WHERE newer.node = event.node AND newer.joined = 1 AND newer.id > event.id);"
      "DROP TABLE event_1",
      kDoing);
}

}  // namespace

EventPlace place_of(const Event& event) {
  EventPlace out;
  std::visit(
      [&out](const auto& kind) {
        if constexpr (requires { kind.observed.key.job; }) {
          out.job = kind.observed.key.job;
        } else if constexpr (requires { kind.task.job; }) {
          out.job = kind.task.job;
        } else if constexpr (requires { kind.job; }) {
          out.job = kind.job;
        }
      },
      event.kind);
  if (const auto* joined = std::get_if<NodeJoined>(&event.kind)) {
    out.node = joined->hello.name;
    out.joined = true;
  } else if (const auto* lost = std::get_if<NodeDeclaredLost>(&event.kind)) {
    out.node = lost->node;
  }
  return out;
}

void bind_place(Statement& statement, int first, const EventPlace& place) {
  statement.bind(first, static_cast<int64_t>(place.job));
  if (place.node.empty()) {
    statement.bind_null(first + 1);
  } else {
    statement.bind_text(first + 1, place.node);
  }
  statement.bind(first + 2, place.joined ? 1 : 0);
}

Status prepare_schema(Database& database) {
  return database.in_transaction(kDoing, [&]() -> Status {
    TRY(database.run(
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL)", kDoing));
    const int64_t schema = TRY(schema_of(database));
    if (schema == kJournalSchema) return ok();
    if (schema > kJournalSchema) {
      return Error{Code::kUnsupported,
                   fmt::format("{}: it has schema {}, this devrun-controller knows {}", kDoing,
                               schema, kJournalSchema),
                   "start the version of devrun-controller that wrote it"};
    }
    if (schema == 1) {
      TRY(from_1(database));
    } else {
      TRY(database.run(kTables, kDoing));
    }
    return set_schema(database);
  });
}

}  // namespace devrun::controller
