// Going on from a backup: the state is that of an earlier time, and what was decided since is not known, but some of it was
// done. What must hold all the same is that no attempt runs twice and no number is given twice:
//
//   numbers    jobs go on far beyond any that was given since (Restore.next_job)
//   nothing is placed until every node of the backup has said what it runs, or is declared lost
//   what ran then and runs still goes on; what its node has let go of ended since, nobody knows how: lost
//   what waited then, or was to be tried again, and has begun since (the store has something of that attempt, or a node
//              tells of it): lost, too; should it still run it is ended, as any attempt that nobody knows
//   what waited then and has not begun waits
//
// A node lets go of an attempt only once the store has a folder of it (rpc/stream_hub.h), so what has begun is found in
// one of the two.
#pragma once

#include <string>

#include "controller/core/input.h"
#include "controller/core/turn.h"

namespace devrun::controller {

// Before anything else is stepped.
void restore(Turn& turn, const Restore& input);

bool awaits_nodes(const Ledger& ledger);
// While it does, in words.
std::string why_nothing_is_placed(const Ledger& ledger);

// There is such an attempt, of which the backup knows nothing: ends its task if that has not ended.
void begun_since_backup(Turn& turn, const AttemptKey& key);
// How what ended ends of which nobody knows how it did.
Ending lost_with_backup(const Ledger& ledger, TaskKey task);

}  // namespace devrun::controller
