// See bench/snapshot, which builds and starts it.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "bench/storage/scenarios.h"
#include "bench/storage/scratch_disk.h"

namespace devrun::bench {
namespace {

struct Scenario {
  const char* name;
  Status (*run)(const Settings&, std::vector<Row>&);
};
constexpr Scenario kScenarios[] = {{"large file", large_file},
                                   {"first snapshot", first_snapshot},
                                   {"scan on ext4", scan_on_ext4},
                                   {"busy volumes", busy_volumes},
                                   {"large volume", large_volume}};

int fail(const Error& error) {
  fmt::print(stderr, "devrun: bench/snapshot: {}\n", error.message);
  return 1;
}

int run(const std::vector<std::string>& words) {
  Settings settings;
  settings.self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string json;
  std::string only;
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "--disk") {
      settings.disk = value;
    } else if (words[i] == "--json") {
      json = value;
    } else if (words[i] == "--only") {
      only = value;
    } else if (words[i] == "--node-size") {
      settings.node_size = value;
    } else if (words[i] == "--files") {
      std::from_chars(value.data(), value.data() + value.size(), settings.files);
    } else if (words[i] == "--memory") {
      const Status printed = print_memory(value);
      return printed ? 0 : fail(printed.error());
    } else {
      return fail({Code::kInvalid, fmt::format("no option {}", words[i]), {}});
    }
  }
  if (Status entered = enter_private_namespace(); !entered) return fail(entered.error());
  std::vector<Row> rows;
  for (const Scenario& scenario : kScenarios) {
    if (std::string(scenario.name).find(only) == std::string::npos) continue;
    fmt::print(stderr, "{} …\n", scenario.name);
    if (Status done = scenario.run(settings, rows); !done) return fail(done.error());
  }
  print(rows, json);
  return 0;
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  return devrun::bench::run({argv + 1, argv + argc});
}
