#include "cli/pilots/pilot_config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "cli/start/node_config.h"
#include "common/base/parse_number.h"
#include "common/base/units.h"
#include "common/model/labels.h"

namespace devrun::pilots {

namespace {

constexpr std::string_view kNone = "none";
constexpr int64_t kLeavesMax = int64_t{1} << 40;  // seconds

std::vector<std::string> by_commas(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Error bad(const std::string& flag, const std::string& value, const char* expected) {
  return {Code::kInvalid, fmt::format("pilot: {} {}: expected {}", flag, value, expected), {}};
}

template <typename T>
Result<T> number(const std::string& flag, const std::string& value) {
  const auto out = parse_number<T>(value);
  if (out && *out > 0) return *out;
  return bad(flag, value, "a number");
}

Status take_word(PilotOrder& out, const std::string& flag, const std::string& value) {
  if (flag == "--job") {
    out.job = TRY(number<uint64_t>(flag, value));
  } else if (flag == "--name") {
    out.name = value;
  } else if (flag == "--state") {
    out.state = value;
  } else if (flag == "--cpus") {
    out.cpus = TRY(number<int64_t>(flag, value));
  } else if (flag == "--memory") {
    out.memory_bytes = TRY(parse_size(value));
  } else if (flag == "--gpus") {
    if (value != kNone) out.gpus = by_commas(value);
  } else if (flag == "--pool") {
    out.pools.push_back(value);
  } else if (flag == "--label") {
    const size_t equals = value.find('=');
    if (equals == std::string::npos) return bad(flag, value, "KEY=VALUE");
    out.labels[value.substr(0, equals)] = value.substr(equals + 1);
  } else if (flag == "--grace") {
    out.grace = TRY(parse_duration(value));
  } else if (flag == "--within") {
    out.within = TRY(parse_duration(value));
  } else {
    return Error{Code::kInvalid, fmt::format("pilot: unknown flag {}", flag), {}};
  }
  return ok();
}

}  // namespace

Result<PilotOrder> parse_order(const std::vector<std::string>& words, const std::string& leaves) {
  PilotOrder out;
  const auto at = parse_number<int64_t>(leaves);
  if (at && *at > 0 && *at <= kLeavesMax) out.leaves = Time{*at * 1'000'000};
  for (size_t i = 0; i + 1 < words.size(); i += 2) TRY(take_word(out, words[i], words[i + 1]));
  if (words.size() % 2 != 0)
    return Error{Code::kInvalid, fmt::format("pilot: {} needs a value", words.back()), {}};
  const bool whole = out.job != 0 && !out.name.empty() && out.state.starts_with('/') &&
                     out.cpus > 0 && out.memory_bytes > 0;
  if (whole) return out;
  return Error{Code::kInvalid,
               "pilot: --job, --name, --state, --cpus and --memory are needed: it is devrun-slurm "
               "that starts pilots, in batch scripts of its own",
               {}};
}

Result<std::string> pilot_config(const PilotOrder& order, const JoinedAs& joined,
                                 const std::string& state) {
  YAML::Node out;
  try {
    out = YAML::Load(joined.settings);
  } catch (const YAML::Exception& e) {
    return Error{Code::kInvalid, fmt::format("the controller's node settings: {}", e.what()), {}};
  }
  if (!out.IsMap()) return Error{Code::kInvalid, "the controller's node settings are no map", {}};
  out["name"] = order.name;
  out["address"] = joined.address;
  out["controller"] = joined.controller;
  out["state"] = state;
  out["cpus"] = order.cpus;
  out["memory"] = order.memory_bytes;
  for (const std::string& pool : order.pools) out["pools"].push_back(pool);
  for (const auto& [key, value] : order.labels) out["labels"][key] = value;
  YAML::Node cache(YAML::NodeType::Map);
  const YAML::Node said = out["cache"];
  if (said && said.IsScalar()) cache["size"] = said.Scalar();
  if (said && said.IsMap() && said["size"]) cache["size"] = said["size"].Scalar();
  cache["folder"] = state + "/cache";
  out["cache"] = cache;
  out["gpus"] = !order.gpus.empty();
  out.remove("gpu_devices");
  for (const std::string& gpu : order.gpus) out["gpu_devices"].push_back(gpu);
  if (order.leaves.us != 0) out["leaves_at"] = order.leaves.us / 1'000'000;
  out["leave_on_stop"] = fmt::format("{}ms", order.grace.us / 1000);
  const std::string text = YAML::Dump(out) + "\n";
  TRY(start::parse_node_config(text, order.name + ".yaml"));
  return text;
}

}  // namespace devrun::pilots
