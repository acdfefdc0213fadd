// What journal.db looks like, and how files of earlier versions become such.
//
//   1  event(id, body)
//   2  event(id, job, node, joined, body), archived(job): the events of a job, and of a node, can be found
//
// For each schema but the newest tests/compat has a journal that its programs wrote.
#pragma once

#include "common/base/result.h"
#include "controller/core/event.h"
#include "controller/journal/sqlite.h"

namespace devrun::controller {

inline constexpr int64_t kJournalSchema = 2;

// Made or brought up to date in one transaction, after which the file is for this version and newer ones. kUnsupported
// if a newer version wrote it, kCorrupt if an event of an older one cannot be read; in both cases nothing is changed.
Status prepare_schema(Database& database);

// Where an event belongs: the columns beside its body.
struct EventPlace {
  JobId job = 0;     // 0: to no job
  std::string node;  // of NodeJoined and NodeDeclaredLost
  bool joined = false;
};
EventPlace place_of(const Event& event);
void bind_place(Statement& statement, int first, const EventPlace& place);

}  // namespace devrun::controller
