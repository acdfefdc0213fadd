// Numbers, and the table that bench/sched prints of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace devrun::bench {

// Of this thread, in the kernel too: what other programs do to the machine shows in the wall's time, and not here.
double thread_cpu_s();
double wall_s();
size_t heap_bytes();  // that malloc has handed out

struct Spread {
  double p50 = 0;
  double p99 = 0;
  double max = 0;
};
Spread spread(std::vector<double> values);

struct Row {
  std::string name;
  std::string unit;
  double value = 0;
  double bar = 0;  // 0: none
  bool at_least = false;
  std::string note = {};
};

// To stdout, and to the file as JSON lines, added at its end, if there is a name.
void print(const std::vector<Row>& rows, const std::string& json_path);

}  // namespace devrun::bench
