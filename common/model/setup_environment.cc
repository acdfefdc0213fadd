#include "common/model/setup_environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace devrun {

namespace {

// Of the caller's terminal and shell.
constexpr std::array<std::string_view, 12> kOfTerminal = {"_",
                                                          "COLORTERM",
                                                          "COLUMNS",
                                                          "LINES",
                                                          "OLDPWD",
                                                          "SHLVL",
                                                          "TERM",
                                                          "TERM_PROGRAM",
                                                          "TERM_SESSION_ID",
                                                          "TTY",
                                                          "TERM_PROGRAM_VERSION",
                                                          "WINDOWID"};
// Of the job and the node, whatever the job is.
constexpr std::array<std::string_view, 18> kOfJob = {
    "DEVRUN_ATTEMPT",        "DEVRUN_JOB_ID",
    "DEVRUN_NODE",           "DEVRUN_SHARED",
    "DEVRUN_TASK",           "HOSTNAME",
    "MASTER_ADDR",           "MASTER_PORT",
    "SKYPILOT_CLUSTER_INFO", "SKYPILOT_JOBGROUP_NAME",
    "SKYPILOT_JOB_RANK",     "SKYPILOT_NODE_IPS",
    "SKYPILOT_NUM_JOBS",     "SKYPILOT_SETUP_NODE_IPS",
    "SKYPILOT_TASK_ID",      "WORLD_SIZE",
    "CUDA_VISIBLE_DEVICES",  "SKYPILOT_TASK_IDS"};
// Of one that has several ranks.
constexpr std::array<std::string_view, 5> kOfRank = {"DEVRUN_RANK", "DEVRUN_RANKS",
                                                     "SKYPILOT_NODE_RANK", "SKYPILOT_NUM_NODES",
                                                     "SKYPILOT_SETUP_NODE_RANK"};
// Other ways to learn where one is.
constexpr std::array<std::string_view, 12> kAskForPlace = {
    "/etc/hostname", "/etc/hosts", "hostnamectl", "ifconfig", "ip addr",     "ip a ",
    "ip -",          "ip route",   "uname -n",    "uname -a", "/run/devrun", "nodename"};
constexpr std::string_view kRunText = "DEVRUN_TASK_RUN";
constexpr std::string_view kSetupText = "DEVRUN_TASK_SETUP_";

template <size_t N>
bool has(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_of_place(std::string_view name, uint32_t ranks) {
  return has(kOfJob, name) || (ranks > 1 && has(kOfRank, name));
}

std::vector<std::string_view> settings_of(std::string_view environment) {
  std::vector<std::string_view> out;
  while (!environment.empty()) {
    const size_t end = std::min(environment.find('\0'), environment.size());
    if (end > 0) out.push_back(environment.substr(0, end));
    environment.remove_prefix(std::min(end + 1, environment.size()));
  }
  return out;
}

bool is_of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

}  // namespace

bool setup_sees(std::string_view name, uint32_t ranks) {
  return !has(kOfTerminal, name) && !is_of_place(name, ranks) && !name.starts_with(kRunText);
}

std::string environment_of_setup(std::string_view environment, uint32_t ranks) {
  std::vector<std::string_view> settings = settings_of(environment);
  std::erase_if(settings, [&](std::string_view one) {
    return !setup_sees(one.substr(0, one.find('=')), ranks);
  });
  std::ranges::sort(settings);
  std::string out;
  for (const std::string_view one : settings) out.append(one).push_back('\0');
  return out;
}

std::string text_of_setup(std::string_view environment) {
  std::string out;
  const std::vector<std::string_view> settings = settings_of(environment);
  for (size_t piece = 0;; ++piece) {
    const std::string name = fmt::format("{}{}=", kSetupText, piece);
    const auto found =
        std::ranges::find_if(settings, [&](std::string_view one) { return one.starts_with(name); });
    if (found == settings.end()) return out;
    out += found->substr(name.size());
  }
}

bool fills_places(std::string_view environment) {
  return std::ranges::any_of(settings_of(environment), [](std::string_view one) {
    return one.starts_with("DEVRUN_TASK_PLACES=");
  });
}

std::string names_its_place(std::string_view text, uint32_t ranks) {
  for (const std::string_view words : kAskForPlace) {
    // `pip -q` is no `ip -q`.
    for (size_t at = text.find(words); at != std::string_view::npos;
         at = text.find(words, at + 1)) {
      const bool begins = at == 0 || !is_of_name(words.front()) || !is_of_name(text[at - 1]);
      if (begins) return std::string(words);
    }
  }
  for (size_t at = 0; at < text.size();) {
    if (!is_of_name(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && is_of_name(text[end])) ++end;
    const std::string_view name = text.substr(at, end - at);
    if (is_of_place(name, ranks) || name == "hostname") return std::string(name);
    at = end;
  }
  return {};
}

}  // namespace devrun
