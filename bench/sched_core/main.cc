// See bench/sched, which builds and starts it.
//
//   bench_sched --folder DIR [--only WORD] [--json FILE] [--tasks N] [--rounds N] [--events N] [--jobs N] [--nodes N]
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "bench/sched_core/scenarios.h"

namespace devrun::bench {
namespace {

struct Scenario {
  const char* name;
  Status (*run)(const Settings&, std::vector<Row>&);
};
constexpr Scenario kScenarios[] = {
    {"array", array_tasks}, {"event", one_event}, {"memory", memory}, {"restart", restart}};

int fail(const std::string& message) {
  fmt::print(stderr, "bench_sched: {}\n", message);
  return 1;
}

int run(const std::vector<std::string>& words) {
  Settings settings;
  std::string parent = std::filesystem::temp_directory_path();
  std::string only;
  std::string json;
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    const auto number = [&](uint64_t& to) {
      std::from_chars(value.data(), value.data() + value.size(), to);
    };
    if (words[i] == "--folder") parent = value;
    if (words[i] == "--only") only = value;
    if (words[i] == "--json") json = value;
    if (words[i] == "--tasks") number(settings.tasks);
    if (words[i] == "--rounds") number(settings.rounds);
    if (words[i] == "--events") number(settings.events);
    if (words[i] == "--jobs") number(settings.jobs);
    if (words[i] == "--nodes") number(settings.nodes);
  }
  settings.folder = parent + "/bench-sched-XXXXXX";
  if (::mkdtemp(settings.folder.data()) == nullptr) return fail("no folder in " + parent);
  Status done = ok();
  for (const Scenario& scenario : kScenarios) {
    if (std::string(scenario.name).find(only) == std::string::npos) continue;
    std::vector<Row> rows;
    done = scenario.run(settings, rows);
    if (!done) break;
    print(rows, json);
  }
  std::filesystem::remove_all(settings.folder);
  return done ? 0 : fail(done.error().message);
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  return devrun::bench::run({argv + 1, argv + argc});
}
