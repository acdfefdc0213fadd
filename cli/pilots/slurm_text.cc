#include "cli/pilots/slurm_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cli/pilots/pilot_config.h"
#include "common/base/parse_number.h"
#include "common/base/shell_words.h"

namespace devrun::pilots {

namespace {

constexpr std::string_view kMark = "devrun-pilot:";
constexpr size_t kFields = 5;

std::vector<std::string_view> split(std::string_view text, char by, size_t at_most = SIZE_MAX) {
  std::vector<std::string_view> out;
  while (out.size() + 1 < at_most) {
    const size_t at = text.find(by);
    if (at == std::string_view::npos) break;
    out.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  out.push_back(text);
  return out;
}

PilotState state_of(std::string_view word) {
  constexpr std::array<std::string_view, 4> kWaits = {"PENDING", "CONFIGURING", "REQUEUED",
                                                      "REQUEUE_HOLD"};
  constexpr std::array<std::string_view, 5> kRuns = {"RUNNING", "SUSPENDED", "STOPPED", "RESIZING",
                                                     "SIGNALING"};
  // Its node does not answer Slurm: what ran there may run on.
  constexpr std::array<std::string_view, 3> kVanished = {"NODE_FAIL", "BOOT_FAIL", "REVOKED"};
  const auto in = [&](const auto& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (in(kWaits)) return PilotState::kPending;
  if (in(kRuns)) return PilotState::kRunning;
  if (in(kVanished)) return PilotState::kVanished;
  constexpr std::array<std::string_view, 7> kOver = {
      "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "PREEMPTED", "OUT_OF_MEMORY", "DEADLINE"};
  // COMPLETING, STAGE_OUT and whatever else a version of Slurm may say: not yet.
  return in(kOver) ? PilotState::kOver : PilotState::kEnding;
}

int64_t minutes(Duration span) {
  return (span.us + seconds(60).us - 1) / seconds(60).us;
}

}  // namespace

std::string comment_of(const Policy& policy, const std::string& kind) {
  return fmt::format("{}{}:{}", kMark, policy.prefix, kind);
}

std::vector<std::string> sbatch_words(const Policy& policy, const Kind& kind,
                                      const std::string& name) {
  std::vector<std::string> out = {"--parsable",
                                  "--no-requeue",
                                  "--nodes=1",
                                  "--ntasks=1",
                                  "--chdir=/",
                                  "--export=NIL",
                                  "--open-mode=append",
                                  fmt::format("--output={}", policy.log),
                                  fmt::format("--job-name={}", name),
                                  fmt::format("--comment={}", comment_of(policy, kind.name)),
                                  fmt::format("--cpus-per-task={}", kind.has.cpu_milli / 1000),
                                  fmt::format("--mem={}M", kind.has.memory_bytes >> 20),
                                  fmt::format("--time={}", minutes(kind.time))};
  if (kind.has.gpus > 0) {
    out.push_back(fmt::format("--gres=gpu:{}{}{}", kind.has.gpu_type,
                              kind.has.gpu_type.empty() ? "" : ":", kind.has.gpus));
  }
  if (!kind.partition.empty()) out.push_back(fmt::format("--partition={}", kind.partition));
  if (!kind.account.empty()) out.push_back(fmt::format("--account={}", kind.account));
  out.insert(out.end(), kind.options.begin(), kind.options.end());
  return out;
}

std::string batch_script(const Policy& policy, const Kind& kind, const std::string& name) {
  std::vector<std::string> words = {policy.programs + "/devrun-slurm",
                                    "pilot",
                                    "--name",
                                    name,
                                    "--state",
                                    policy.state,
                                    "--grace",
                                    fmt::format("{}ms", policy.grace.us / 1000),
                                    "--within",
                                    fmt::format("{}ms", policy.join_within.us / 1000)};
  for (const std::string& pool : kind.pools) words.insert(words.end(), {"--pool", pool});
  for (const auto& [key, value] : kind.labels) {
    words.insert(words.end(), {"--label", fmt::format("{}={}", key, value)});
  }
  std::vector<std::string> safe;
  for (const std::string& word : words) safe.push_back(single_quoted(word));
  // What the allocation has is Slurm's to say. Which GPUs: numbers as its driver counts those that it may use. Its end is said by
  // Slurm since 23.02, and otherwise as it was asked for; in the environment, where a pilot of another version may pass it over.
  return fmt::format(
      "#!/bin/sh\n"
      "# A node of devrun's for as long as jobs want it (docs/slurm.md of devrun).\n"
      "export {}=\"${{SLURM_JOB_END_TIME:-$(($(date +%s) + {}))}}\"\n"
      "exec {} --job \"$SLURM_JOB_ID\" --cpus \"$SLURM_CPUS_ON_NODE\" --memory \"{}M\" "
      "--gpus \"${{CUDA_VISIBLE_DEVICES:-${{ROCR_VISIBLE_DEVICES:-none}}}}\"\n",
      kLeavesVariable, minutes(kind.time) * 60, fmt::join(safe, " "), kind.has.memory_bytes >> 20);
}

std::optional<uint64_t> parse_submitted(std::string_view said) {
  for (const std::string_view line : split(said, '\n')) {
    const std::string_view number = line.substr(0, line.find(';'));
    if (const auto job = parse_number<uint64_t>(number)) return job;
  }
  return std::nullopt;
}

std::vector<std::string> squeue_words(const std::string& user) {
  return {"--noheader", "--states=all", "--user=" + user, "--format=%i|%j|%T|%L|%k"};
}

Result<std::vector<Pilot>> parse_squeue(const Policy& policy, std::string_view said) {
  const std::string ours = comment_of(policy, "");
  std::vector<Pilot> out;
  bool has_begun = false;
  for (const std::string_view line : split(said, '\n')) {
    if (line.empty()) continue;
    const bool begins =
        parse_number<uint64_t>(line.substr(0, line.find_first_of("|_"))).has_value();
    if (!begins && has_begun) continue;  // what follows a line end in somebody's comment
    has_begun = true;
    const auto fields = split(line, '|', kFields);
    if (fields.size() != kFields) {
      return Error{Code::kCorrupt, fmt::format("squeue said '{}'", line), "squeue"};
    }
    if (!fields[4].starts_with(ours)) continue;
    const auto job = parse_number<uint64_t>(fields[0]);
    if (!job) continue;  // an array's: no pilot
    Pilot pilot{*job, std::string(fields[1]), std::string(fields[4].substr(ours.size())),
                state_of(fields[2]), parse_left(fields[3])};
    out.push_back(std::move(pilot));
  }
  return out;
}

std::optional<Duration> parse_left(std::string_view text) {
  int64_t days = 0;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto number = parse_number<int64_t>(text.substr(0, dash));
    if (!number) return std::nullopt;
    days = *number;
    text.remove_prefix(dash + 1);
  }
  int64_t out = 0;
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  for (const std::string_view part : parts) {
    const auto number = parse_number<int64_t>(part);
    if (!number || *number < 0) return std::nullopt;
    out = out * 60 + *number;
  }
  return seconds(days * 86'400 + out);
}

}  // namespace devrun::pilots
