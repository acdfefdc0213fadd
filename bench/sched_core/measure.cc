#include "bench/sched_core/measure.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace devrun::bench {

namespace {

double now_of(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string verdict(const Row& row) {
  if (row.bar == 0) return "";
  const bool holds = row.at_least ? row.value >= row.bar : row.value <= row.bar;
  return fmt::format("{} {:.6g}: {}", row.at_least ? "at least" : "at most", row.bar,
                     holds ? "holds" : "MISSED");
}

}  // namespace

double thread_cpu_s() {
  return now_of(CLOCK_THREAD_CPUTIME_ID);
}

double wall_s() {
  return now_of(CLOCK_MONOTONIC);
}

size_t heap_bytes() {
  const auto now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}

Spread spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double part) {
    return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1))];
  };
  return {at(0.5), at(0.99), values.back()};
}

void print(const std::vector<Row>& rows, const std::string& json_path) {
  std::FILE* json = json_path.empty() ? nullptr : std::fopen(json_path.c_str(), "a");
  for (const Row& row : rows) {
    fmt::print("{:<66} {:>12.5g} {:<8} {:<22} {}\n", row.name, row.value, row.unit, verdict(row),
               row.note);
    if (json == nullptr) continue;
    fmt::print(json, "{{\"name\": \"{}\", \"value\": {}, \"unit\": \"{}\", \"bar\": {}}}\n",
               row.name, row.value, row.unit, row.bar);
  }
  if (json != nullptr) std::fclose(json);
}

}  // namespace devrun::bench
