// Ended jobs between the ledger and proto/devrun/v1/history.proto, compressed. A field that is added to a job, task or
// rank is added there, too. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "controller/core/state.h"

namespace devrun::controller {

// The job must have its outcome.
std::string encode_job(const Job& job);
// kCorrupt if it is no such record.
Result<Job> decode_job(std::string_view bytes);

}  // namespace devrun::controller
