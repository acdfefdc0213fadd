// Where the time of a start goes. Says so, and fails only if something is wrong by an order of magnitude.
#include <chrono>
#include <cstdio>
#include <map>

#include "agent/shim/exit_record.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST(SpeedTest, WhereAStartGoes) {
  Host host;
  std::map<std::string, std::vector<double>> spent;
  std::vector<Step> steps = all_steps();
  for (Step& step : steps) {
    step.run = [&spent, name = std::string(step.name), real = step.run](sandbox::Setup& setup) {
      const auto from = std::chrono::steady_clock::now();
      Status done = real(setup);
      spent[name].push_back(Milliseconds(std::chrono::steady_clock::now() - from).count());
      return done;
    };
  }
  host.open(steps);
  for (int i = 0; i < 20; ++i) {
    const AttemptSpec spec = host.spec({"echo", "x"});
    const Time from = wall_clock();
    ASSERT_EQ(host.run(spec).status, 0);
    const auto record = **shim::read_exit_record(host.sandboxes().folder(spec.key));
    spent["~ start to go"].push_back(static_cast<double>((record.started - from).us) / 1000);
    spent["~ go to first byte"].push_back(
        static_cast<double>((record.first_byte - record.started).us) / 1000);
    spent["~ first byte to exit record"].push_back(
        static_cast<double>((record.ended - record.first_byte).us) / 1000);
    spent["~ start to first byte"].push_back(static_cast<double>((record.first_byte - from).us) /
                                             1000);
    const auto release_from = std::chrono::steady_clock::now();
    ASSERT_TRUE(host.sandboxes().release(spec.key));
    spent["~ release"].push_back(
        Milliseconds(std::chrono::steady_clock::now() - release_from).count());
  }
  for (const auto& [name, values] : spent) {
    std::printf("%-30s %7.2f ms\n", name.c_str(), median(values));
  }
  EXPECT_LT(median(spent["~ start to first byte"]), 200);
}

}  // namespace
}  // namespace devrun::sandbox
