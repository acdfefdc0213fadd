// `devrun WORDS…` as a child of the monitor: for its output, or with the terminal to itself. What a key of the monitor does
// is then the very command that somebody would have typed.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::cli {

inline constexpr size_t kOwnOutputBytesMax = 8 << 20;

// Runs to its end, or until `stop`. `line` is called for each line of stdout and stderr; the exit status.
Result<int> run_own(const std::vector<std::string>& words, const std::atomic<bool>& stop,
                    const std::function<void(std::string_view line)>& line);

// With our stdin, stdout and stderr, and signals as the shell would give it; then a key is waited for, so that its last
// words can be read.
void run_own_in_terminal(const std::vector<std::string>& words);

}  // namespace devrun::cli
