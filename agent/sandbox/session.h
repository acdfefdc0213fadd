// Sessions on disk: `exec.ID` in an attempt's folder, with an order, a shim of its own, its output and its exit record.
// The folder's creation is the fence: an id runs once. See sandboxes.h for what each promises.
#pragma once

#include <string>
#include <vector>

#include "agent/sandbox/places.h"
#include "agent/sandbox/sandboxes.h"

namespace devrun::sandbox {

std::string session_folder(const Places& attempt, const std::string& id);
Status start_session(const Options& options, const Places& attempt, const SessionSpec& session);
Result<std::vector<FoundSession>> find_sessions(const Places& attempt, const AttemptKey& key);
Result<FoundSession> find_session(const Places& attempt, const AttemptKey& key,
                                  const std::string& id);
Status remove_session(const Places& attempt, const std::string& id);
// All shims of the attempt's sessions.
Status end_sessions(const Places& attempt);

// What a job's variables are for a session of it: `over` wins. Pure.
std::string laid_over(const std::string& env, const std::string& over);

}  // namespace devrun::sandbox
