#include "cli/commands/sky_options.h"

#include <string_view>

namespace devrun::cli {

namespace {

struct SkyOption {
  std::string_view letter;  // "-c"; empty: none
  std::string_view name;    // "--cluster"
  std::string_view instead;
};

constexpr std::string_view kNoCluster =
    "without it: every launch is a job of its own, on whichever nodes have room; a program beside "
    "a "
    "job that runs: devrun exec JOB -- CMD";
constexpr std::string_view kNothingToEnd =
    "without it: a job gives its nodes back when it ends, and nothing is left to take down";
constexpr std::string_view kNoCloud = "without it: the cluster's own nodes are all there is";
constexpr std::string_view kInFile = "in the file, under 'resources:'";

constexpr SkyOption kSkyOptions[] = {
    {"-c", "--cluster", kNoCluster},
    {"", "--down", kNothingToEnd},
    {"-i", "--idle-minutes-to-autostop", kNothingToEnd},
    {"", "--wait-for", kNothingToEnd},
    {"-r", "--retry-until-up", "without it: a job waits until there is room (devrun explain JOB)"},
    {"", "--no-retry-until-up", "--dry-run, which says whether it would wait"},
    {"", "--infra", kNoCloud},
    {"", "--cloud", kNoCloud},
    {"", "--region", kNoCloud},
    {"", "--zone", kNoCloud},
    {"", "--use-spot", kNoCloud},
    {"", "--no-use-spot", kNoCloud},
    {"-t", "--instance-type", "--cpus N --memory SIZE --gpus TYPE:N"},
    {"", "--disk-size", kNoCloud},
    {"", "--disk-tier", kNoCloud},
    {"", "--network-tier", kNoCloud},
    {"", "--clone-disk-from", "devrun volume fork"},
    {"", "--num-nodes", "--nodes N"},
    {"", "--workdir", "cd DIR, with 'workdir: .' in the file"},
    {"", "--git-url", "'workdir: {url: …, ref: …}' in the file"},
    {"", "--git-ref", "'workdir: {url: …, ref: …}' in the file"},
    {"", "--image-id", "--volume V, or 'image_id: docker:…' in the file, under 'resources:'"},
    {"", "--ports", kInFile},
    {"", "--priority", kInFile},
    {"", "--job-recovery", kInFile},
    {"", "--num-jobs", "'devrun: {array: N}' in the file"},
    {"-p", "--pool", "without it; 'devrun run --pool P' has a label of nodes"},
    {"", "--dryrun", "--dry-run"},
    {"", "--fast", "without it: an unchanged setup is skipped by itself"},
    {"-s", "--detach-setup", "-d, which detaches at once"},
    {"", "--detach-run", "-d"},
    {"", "--no-detach-run", "without it: output is shown unless there is a -d"},
    {"", "--async", "-d"},
    {"", "--no-async", "without it: output is shown unless there is a -d"},
    {"", "--gpu", "--gpus TYPE:N"},
    {"", "--config", "without it: there is no such configuration"},
    {"", "--secret-file", "--secret K, of each that is in your environment"},
};

}  // namespace

std::optional<std::string> sky_option_hint(std::span<const std::string> arguments) {
  for (const std::string& argument : arguments) {
    const std::string_view word = std::string_view(argument).substr(0, argument.find('='));
    for (const SkyOption& option : kSkyOptions) {
      const bool is_letter = !option.letter.empty() && argument.starts_with(option.letter) &&
                             !argument.starts_with("--");
      if (word == option.name || is_letter) return std::string(option.instead);
    }
  }
  return std::nullopt;
}

}  // namespace devrun::cli
