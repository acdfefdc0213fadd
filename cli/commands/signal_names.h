// Signals as people write them: TERM, SIGTERM, 15.
#pragma once

#include <string_view>

#include "common/base/result.h"

namespace devrun::cli {

Result<int> parse_signal(std::string_view text);

}  // namespace devrun::cli
