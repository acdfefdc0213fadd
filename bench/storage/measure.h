// Numbers and the table of a bench.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace devrun::bench {

// CPU time of this process so far, in the kernel too.
double cpu_milliseconds();
// How long `work` takes.
double milliseconds_of(const std::function<void()>& work);

struct Percentiles {
  double p50 = 0;
  double p95 = 0;
};
Percentiles percentiles(std::vector<double> values);

struct Row {
  std::string name;
  std::string unit;
  double value = 0;
  double p95 = 0;     // 0: of one value
  double native = 0;  // what the machine needs for the least of it, in the same unit; 0: not taken
  double bar = 0;     // at most; 0: none
  std::string note = {};
};

// To stdout, and to the file as JSON if there is a name.
void print(const std::vector<Row>& rows, const std::string& json_path);

}  // namespace devrun::bench
