// The rows of bench/sched that need no other process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/sched_core/measure.h"
#include "common/base/result.h"

namespace devrun::bench {

struct Settings {
  std::string folder;       // for journals: on a real disk
  uint64_t tasks = 50'000;  // of each array
  uint64_t rounds = 5;
  uint64_t events = 5'000;
  uint64_t jobs = 100'000;  // that wait
  uint64_t nodes = 10'000;
};

Status array_tasks(const Settings& settings, std::vector<Row>& rows);
Status one_event(const Settings& settings, std::vector<Row>& rows);
Status memory(const Settings& settings, std::vector<Row>& rows);
Status restart(const Settings& settings, std::vector<Row>& rows);

}  // namespace devrun::bench
