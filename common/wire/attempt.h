// Attempts between the wire (agent.proto) and the model (common/model/attempt.h). As job.h.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/attempt.h"
#include "common/wire/job.h"
#include "devrun/v1/agent.pb.h"

namespace devrun::wire {

pb::AttemptSpec to_proto(const AttemptSpec& in);
pb::ObservedAttempt to_proto(const ObservedAttempt& in);
// Without `spec` and `deliver_*`, which are the sender's to add.
pb::Desired to_proto(const DesiredAttempt& in);

Result<AttemptSpec> from_proto(const pb::AttemptSpec& in);
Result<ObservedAttempt> from_proto(const pb::ObservedAttempt& in);
Result<DesiredAttempt> from_proto(const pb::Desired& in);

// The file `spec` of an attempt's folder.
std::string serialize(const AttemptSpec& spec);
Result<AttemptSpec> parse_attempt_spec(std::string_view bytes);

}  // namespace devrun::wire
