// Whether a submission can be right, whatever the state; and its defaults filled in. Pure.
#pragma once

#include "common/base/result.h"
#include "common/model/job.h"
#include "devrun/v1/client.pb.h"

namespace devrun::controller {

inline constexpr size_t kEnvBytesMax = 1 << 20;
inline constexpr size_t kArgvBytesMax = 1 << 20;
inline constexpr size_t kArgumentBytesMax = (128 << 10) - 1;  // the kernel's MAX_ARG_STRLEN
inline constexpr uint32_t kRanksMax = 1024;

// kInvalid, with the field, what was expected, and the nearest right word.
Result<JobSpec> check_submit(const devrun::v1::SubmitRequest& request);
// `old` once more, with what the request changes of it (SubmitRequest.again).
Result<JobSpec> check_again(const devrun::v1::SubmitRequest& request, const JobSpec& old);
// Likewise of a session (Exec).
Status check_session(const devrun::v1::SessionStart& session, bool dev_container);

}  // namespace devrun::controller
