#include "bench/storage/measure.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "common/runtime/file.h"

namespace devrun::bench {

double cpu_milliseconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

double milliseconds_of(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  return took.count();
}

Percentiles percentiles(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 95 / 100]};
}

void print(const std::vector<Row>& rows, const std::string& json_path) {
  fmt::print("{:<52} {:>10} {:>9} {:>9} {:>7} {:>7}\n", "", "p50", "p95", "native", "ratio", "bar");
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    const auto number = [](double value) {
      return value == 0 ? std::string("-") : fmt::format("{:.3g}", value);
    };
    fmt::print("{:<52} {:>7.4g} {:<2} {:>9} {:>9} {:>7} {:>7}  {}\n", row.name, row.value, row.unit,
               number(row.p95), number(row.native),
               number(row.native == 0 ? 0 : row.value / row.native), number(row.bar), row.note);
    json.push_back({{"name", row.name},
                    {"unit", row.unit},
                    {"value", row.value},
                    {"p95", row.p95},
                    {"native", row.native},
                    {"bar", row.bar},
                    {"note", row.note}});
  }
  if (json_path.empty()) return;
  if (Status wrote = write_file_atomically(json_path, json.dump(2) + "\n"); !wrote) {
    fmt::print(stderr, "devrun: {}\n", wrote.error().message);
  }
}

}  // namespace devrun::bench
