// The file `exit` in an attempt's folder: how the attempt ended. Written once, by the shim after the last byte of output,
// or by the set-up that failed before there was a shim. It is in place before anybody is told, so the death of any process
// cannot lose it; it is synced to disk just after, which a power cut can forestall: then the attempt is LOST unless the
// controller had already journaled its end, as if the power had gone a moment earlier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::shim {

struct ExitRecord {
  Ending ending;
  uint64_t output_bytes = 0;
  Time ended;
  Time started;     // 0: never
  Time first_byte;  // 0: none
  std::optional<Usage> usage = {};
};

Status write_exit_record(const std::string& attempt_folder, const ExitRecord& record);
// Nothing if there is none (yet).
Result<std::optional<ExitRecord>> read_exit_record(const std::string& attempt_folder);

}  // namespace devrun::shim
