#include "common/model/rank_environment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/check.h"

namespace devrun {

namespace {

constexpr uint64_t kFirstPort = 20'000;
constexpr uint64_t kPorts = 12'000;

}  // namespace

std::vector<std::pair<std::string, std::string>> rank_environment(const RankFacts& facts) {
  CHECK(facts.rank < facts.addresses.size());
  const std::string rank = std::to_string(facts.rank);
  const std::string addresses = fmt::format("{}", fmt::join(facts.addresses, "\n"));
  const std::string nodes = std::to_string(facts.addresses.size());
  const std::string gpus = std::to_string(facts.gpus_per_node);
  const std::string id =
      facts.task_id.empty() ? task_ids_of({facts.job, facts.task}, {}).front() : facts.task_id;
  const std::string ids =
      facts.task_ids.empty() ? id : fmt::format("{}", fmt::join(facts.task_ids, "\n"));
  std::vector<std::pair<std::string, std::string>> out{
      {"SKYPILOT_NODE_RANK", rank},
      {"SKYPILOT_NODE_IPS", addresses},
      {"SKYPILOT_NUM_NODES", nodes},
      {"SKYPILOT_NUM_GPUS_PER_NODE", gpus},
      {"SKYPILOT_TASK_ID", id},
      {"SKYPILOT_TASK_IDS", ids},
      {"SKYPILOT_CLUSTER_INFO", fmt::format(R"({{"cluster_name":"{}","cloud":"devrun"}})", id)},
      {"MASTER_ADDR", facts.addresses.front()},
      {"MASTER_PORT", std::to_string(facts.master_port)},
      {"WORLD_SIZE", nodes},
  };
  if (facts.has_setup) {
    out.emplace_back("SKYPILOT_SETUP_NODE_RANK", rank);
    out.emplace_back("SKYPILOT_SETUP_NODE_IPS", addresses);
    out.emplace_back("SKYPILOT_SETUP_NUM_GPUS_PER_NODE", gpus);
  }
  if (!facts.user.empty()) out.emplace_back("SKYPILOT_USER", facts.user);
  if (!facts.group_name.empty()) out.emplace_back("SKYPILOT_JOBGROUP_NAME", facts.group_name);
  if (facts.array_tasks > 0) {
    out.emplace_back("SKYPILOT_JOB_RANK", std::to_string(facts.array_index));
    out.emplace_back("SKYPILOT_NUM_JOBS", std::to_string(facts.array_tasks));
  }
  return out;
}

std::vector<std::string> task_ids_of(TaskKey task, const Several& several) {
  const std::string own = task.task == kNoTask ? "" : fmt::format("_{}", task.task);
  if (several.size == 0) return {fmt::format("devrun-{}{}", task.job, own)};
  const JobId leader = several.leader == 0 ? task.job : several.leader;
  std::vector<std::string> out;
  for (uint32_t i = 0; i < several.size; ++i) {
    out.push_back(fmt::format("devrun-{}-{}{}", leader, i, i == several.index ? own : ""));
  }
  return out;
}

uint16_t master_port(JobId job, int32_t task, uint32_t attempt) {
  // Neighbours in any of the three get neighbouring ports, and so different ones.
  const uint64_t mixed = job * 101 + static_cast<uint64_t>(task + 1) + uint64_t{attempt} * 3'001;
  return static_cast<uint16_t>(kFirstPort + mixed % kPorts);
}

}  // namespace devrun
