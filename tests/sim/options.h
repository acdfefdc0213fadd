// sim's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace devrun::sim {

inline constexpr std::string_view kUsage =
    R"(sim [--seeds A-B | --seed N] [--tell] [--first] [--workers N]

Plays simulated clusters: the real controller core, journal and agent core, over a network, disks, machines and users that
fail as a seed says. Ends with 1, naming the seed and the checker, if something that must hold does not.

  --seeds A-B   one cluster a seed (default 1-1000), then counts of all that happened
  --seed N      one seed; the hash of its trace is the same each time
  --tell        with --seed: the trace, line by line
  --first       stop at the first seed that fails
  --workers N   processes at once (default 2)
)";

struct Options {
  uint64_t first = 1;
  uint64_t last = 1000;
  uint64_t workers = 2;
  bool tell = false;
  bool only_first = false;
  bool help = false;
};

// None: kUsage says what is right.
std::optional<Options> parse_options(const std::vector<std::string_view>& words);

}  // namespace devrun::sim
