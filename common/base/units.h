// Sizes and spans as people write them: `16G`, `512MiB`, `2h`, `1d12h`. A bare size is in bytes, a
// bare span in seconds. Refused: negatives, fractions of a byte, anything beyond int64.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun {

// K, M, G, T (optionally followed by B, iB or i) are powers of 1024, as memory flags read
// everywhere else.
Result<int64_t> parse_size(std::string_view text);
Result<Duration> parse_duration(std::string_view text);

std::string format_size(int64_t bytes);      // "1.2 GB", at most 7 characters
std::string format_duration(Duration span);  // "42ms", "3.1s", "2m05s", "1h03m", "3d04h"

}  // namespace devrun
