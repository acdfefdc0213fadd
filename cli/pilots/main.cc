// devrun-slurm: nodes of devrun's inside allocations of Slurm's (docs/slurm.md).
//
//   devrun-slurm [run] [--once] [--config FILE]   asks for them, lets them in, ends them; beside the controller, as a service
//   devrun-slurm status [--config FILE]           which there are, and what Slurm has refused
//   devrun-slurm --check-config [--config FILE]
//   devrun-slurm pilot …, devrun-slurm admit --job N      on Slurm's nodes, by the batch scripts and steps of the first
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/client/target.h"
#include "cli/output/console.h"
#include "cli/pilots/admit.h"
#include "cli/pilots/config.h"
#include "cli/pilots/daemon.h"
#include "cli/pilots/pilot.h"
#include "common/base/log.h"
#include "common/base/parse_number.h"
#include "common/base/version.h"

namespace devrun::pilots {
namespace {

constexpr int kUsage = 2;
constexpr int kFailed = 125;
constexpr const char* kHelp =
    "usage: devrun-slurm [run] [--once] [--config FILE]\n"
    "       devrun-slurm status [--config FILE]\n"
    "       devrun-slurm --check-config [--config FILE]\n\n"
    "Asks Slurm for nodes when jobs of devrun wait, and gives them back (docs/slurm.md).\n";

int say(const Error& error) {
  cli::Console(STDOUT_FILENO, STDERR_FILENO).say(error);
  return error.code == Code::kInvalid ? kUsage : kFailed;
}

Result<cli::Target> target() {
  cli::Surroundings surroundings;
  for (char** entry = environ; *entry != nullptr; ++entry)
    surroundings.environment.emplace_back(*entry);
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  return cli::find_target(surroundings);
}

int run_admit(const std::vector<std::string>& words) {
  const auto job =
      words.size() == 2 && words[0] == "--job" ? parse_number<uint64_t>(words[1]) : std::nullopt;
  if (!job)
    return say({Code::kInvalid, "admit: --job N is needed: it is devrun-slurm that starts it", {}});
  const Status done = admit(*job, STDIN_FILENO);
  if (done) return 0;
  say(done.error());
  return done.error().code == Code::kConflict ? kStatusAdmittedBefore : kFailed;
}

int run_as_pilot(const std::vector<std::string>& words) {
  const char* leaves = std::getenv(kLeavesVariable);
  const Result<PilotOrder> order = parse_order(words, leaves == nullptr ? "" : leaves);
  if (!order) return say(order.error());
  const Status done = run_pilot(*order);
  return done ? 0 : say(done.error());
}

struct Arguments {
  std::string verb = "run";
  std::string config = kConfigFile;
  bool check = false, once = false;
};
Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--check-config") {
      out.check = true;
    } else if (words[i] == "--once") {
      out.once = true;
    } else if (words[i] == "--config" && i + 1 < words.size()) {
      out.config = words[++i];
    } else if (i == 0 && (words[i] == "run" || words[i] == "status")) {
      out.verb = words[i];
    } else {
      return Error{
          Code::kInvalid,
          fmt::format("'{}' is not run, status, --check-config, --once or --config FILE", words[i]),
          "devrun-slurm --help"};
    }
  }
  return out;
}

Status run_here(const Arguments& arguments) {
  const Policy policy = TRY(read_policy(arguments.config));
  if (arguments.check) {
    fmt::print("ok  {}\n", arguments.config);
    return ok();
  }
  const cli::Target controller = TRY(target());
  if (arguments.verb == "run") {
    log::start("devrun-slurm", std::getenv("DEVRUN_LOG") ? log::Level::kDebug : log::Level::kInfo);
    return run_daemon(policy, controller, arguments.once);
  }
  fmt::print("{}", TRY(status_text(policy, controller)));
  return ok();
}

int run(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"--version"}) {
    fmt::print("devrun-slurm {}\n", kVersion);
    return 0;
  }
  if (words == std::vector<std::string>{"--help"}) {
    fmt::print("{}", kHelp);
    return 0;
  }
  if (!words.empty() && words[0] == "pilot") return run_as_pilot({words.begin() + 1, words.end()});
  if (!words.empty() && words[0] == "admit") return run_admit({words.begin() + 1, words.end()});
  const Result<Arguments> arguments = parse(words);
  if (!arguments) return say(arguments.error());
  const Status done = run_here(*arguments);
  return done ? 0 : say(done.error());
}

}  // namespace
}  // namespace devrun::pilots

int main(int argc, char** argv) {
  const int status = devrun::pilots::run({argv + 1, argv + argc});
  std::fflush(stdout);
  ::_exit(status);  // as devrun itself: gRPC's threads are not waited for
}
