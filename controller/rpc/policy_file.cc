#include "controller/rpc/policy_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <span>

#include "common/base/suggest.h"
#include "common/base/units.h"
#include "common/model/limits.h"
#include "common/runtime/file.h"

namespace devrun::controller {

namespace fs = std::filesystem;

namespace {

constexpr size_t kPolicyBytesMax = 1 << 20;
constexpr double kShareMax = 1e6;
constexpr double kCpusMax = 1e6;
constexpr Duration kSpanMax = seconds(36'500LL * 86'400);
constexpr Duration kPriorityStepMax =
    seconds(365 * 86'400);  // times priorities it must stay a time

// Where the text is wrong. Thrown out of the walk below, caught in parse_policy.
struct Wrong {
  YAML::Mark at;
  std::string what;
};

using Field = std::function<void(const YAML::Node&)>;
using Fields = std::vector<std::pair<std::string_view, Field>>;

// The library keeps the first of several, and says nothing.
void check_once(const YAML::Node& map) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string key = entry.first.as<std::string>();
    if (!seen.insert(key).second) {
      throw Wrong{entry.first.Mark(), fmt::format("'{}' stands here twice", key)};
    }
  }
}

// Each key of the map must be one of the fields.
void each_field(const YAML::Node& node, const Fields& fields) {
  if (!node.IsMap()) throw Wrong{node.Mark(), "expected a map"};
  check_once(node);
  for (const auto& entry : node) {
    const std::string key = entry.first.as<std::string>();
    const auto known = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& field) { return field.first == key; });
    if (known != fields.end()) {
      known->second(entry.second);
      continue;
    }
    std::vector<std::string_view> names;
    for (const auto& field : fields) names.push_back(field.first);
    const auto nearest = nearest_word(key, names);
    throw Wrong{entry.first.Mark(),
                fmt::format("there is no '{}'{}", key,
                            nearest ? fmt::format(", did you mean '{}'?", *nearest) : "")};
  }
}

void each_name(const YAML::Node& node,
               const std::function<void(const std::string&, const YAML::Node&)>& visit) {
  if (!node.IsMap()) throw Wrong{node.Mark(), "expected a map of names"};
  check_once(node);
  for (const auto& entry : node) visit(entry.first.as<std::string>(), entry.second);
}

std::string word(const YAML::Node& node) {
  if (!node.IsScalar()) throw Wrong{node.Mark(), "expected one value"};
  return node.Scalar();
}

Duration span_of(const YAML::Node& node, Duration most = kSpanMax) {
  const Result<Duration> out = parse_duration(word(node));
  if (!out || out->us <= 0) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no span such as 12h or 7d", word(node))};
  }
  if (*out > most) {
    throw Wrong{node.Mark(),
                fmt::format("'{}' is more than {}d", word(node), most.us / seconds(86'400).us)};
  }
  return *out;
}

uint32_t count_of(const YAML::Node& node) {
  uint32_t out = 0;
  if (!YAML::convert<uint32_t>::decode(node, out)) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no number from 0", word(node))};
  }
  return out;
}

double share_of(const YAML::Node& node) {
  double out = 0;
  if (!YAML::convert<double>::decode(node, out) || !(out >= 0) || out > kShareMax) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no share such as 1 or 2.5", word(node))};
  }
  return out;
}

// 2, 0.5: in thousandths.
int64_t cpus_of(const YAML::Node& node, double least = 0,
                std::string_view expected = "number of cores such as 16") {
  double out = 0;
  if (!YAML::convert<double>::decode(node, out) || !(out >= least) || out > kCpusMax) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no {}", word(node), expected)};
  }
  return std::llround(out * 1000);
}

int64_t size_of(const YAML::Node& node) {
  const Result<int64_t> out = parse_size(word(node));
  if (!out) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no size such as 200G", word(node))};
  }
  return *out;
}

Fields limit_fields(Limits& out) {
  return {{"running", [&](const YAML::Node& n) { out.running = count_of(n); }},
          {"waiting", [&](const YAML::Node& n) { out.waiting = count_of(n); }},
          {"gpus", [&](const YAML::Node& n) { out.gpus = count_of(n); }},
          {"cpus", [&](const YAML::Node& n) { out.cpu_milli = cpus_of(n); }}};
}

Limits pool_limits_of(const YAML::Node& node) {
  Limits out;
  each_field(node, limit_fields(out));
  return out;
}

Limits limits_of(const YAML::Node& node, Limits out) {
  Fields fields = limit_fields(out);
  fields.push_back({"store", [&](const YAML::Node& n) { out.store_bytes = size_of(n); }});
  fields.push_back({"output", [&](const YAML::Node& n) { out.output_bytes = size_of(n); }});
  each_field(node, fields);
  return out;
}

FairShare::Group group_of(const YAML::Node& node) {
  FairShare::Group out;
  each_field(node, {{"share", [&](const YAML::Node& n) { out.share = share_of(n); }},
                    {"users", [&](const YAML::Node& n) {
                       if (!n.IsSequence()) throw Wrong{n.Mark(), "expected a list of users"};
                       for (const auto& user : n) out.users.push_back(word(user));
                     }}});
  return out;
}

void read_fair_share(const YAML::Node& node, FairShare& out) {
  each_field(node, {{"half_life", [&](const YAML::Node& n) { out.half_life = span_of(n); }},
                    {"span", [&](const YAML::Node& n) { out.span = span_of(n); }},
                    {"shares",
                     [&](const YAML::Node& n) {
                       each_name(n, [&](const std::string& user, const YAML::Node& share) {
                         out.shares[user] = share_of(share);
                       });
                     }},
                    {"groups", [&](const YAML::Node& n) {
                       each_name(n, [&](const std::string& group, const YAML::Node& of) {
                         out.groups[group] = group_of(of);
                       });
                     }}});
}

bool yes_or_no(const YAML::Node& node) {
  bool out = false;
  if (!YAML::convert<bool>::decode(node, out)) {
    throw Wrong{node.Mark(), fmt::format("'{}' is neither true nor false", word(node))};
  }
  return out;
}

void read_gpus(const YAML::Node& node, Policy& out) {
  each_field(node, {{"avoid_used_by_others",
                     [&](const YAML::Node& n) { out.avoid_gpus_of_others = yes_or_no(n); }},
                    {"idle_warn", [&](const YAML::Node& n) { out.idle_gpus_warned = span_of(n); }},
                    {"idle_end", [&](const YAML::Node& n) { out.idle_gpus_ended = span_of(n); }}});
}

int64_t memory_of(const YAML::Node& node) {
  const Result<int64_t> out = parse_size(word(node));
  if (!out || *out < kMemoryBytesMin) {
    throw Wrong{node.Mark(), fmt::format("'{}' is no size such as 16G", word(node))};
  }
  return *out;
}

void read_dev_containers(const YAML::Node& node, Policy& out) {
  each_field(node, {{"cpus",
                     [&](const YAML::Node& n) {
                       out.dev_container_cpu_milli = cpus_of(n, 0.001, "number of CPUs such as 4");
                     }},
                    {"memory",
                     [&](const YAML::Node& n) { out.dev_container_memory_bytes = memory_of(n); }}});
}

void read_limits(const YAML::Node& node, Policy& out) {
  YAML::Node users(YAML::NodeType::Map);
  each_field(node, {{"user", [&](const YAML::Node& n) { out.user_limits = limits_of(n, {}); }},
                    {"users", [&](const YAML::Node& n) { users.reset(n); }},
                    {"pools", [&](const YAML::Node& n) {
                       each_name(n, [&](const std::string& pool, const YAML::Node& of) {
                         out.limits_of_pool[pool] = pool_limits_of(of);
                       });
                     }}});
  // What is not said of one is as for all, wherever that stands.
  each_name(users, [&](const std::string& user, const YAML::Node& of) {
    out.limits_of_user[user] = limits_of(of, out.user_limits);
  });
}

}  // namespace

Result<Policy> parse_policy(const std::string& text, const std::string& name, Policy out) {
  const auto wrong = [&](const YAML::Mark& at, const std::string& what) {
    return Error{
        Code::kInvalid, fmt::format("{}:{}:{}: {}", name, at.line + 1, at.column + 1, what), {}};
  };
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    std::erase_if(documents, [](const YAML::Node& one) { return one.IsNull(); });
    if (documents.empty()) return out;
    if (documents.size() > 1) {
      return wrong(documents[1].Mark(), "a policy is one document, and another begins here");
    }
    const YAML::Node& root = documents[0];
    each_field(
        root,
        {{"priority_step",
          [&](const YAML::Node& n) { out.priority_step = span_of(n, kPriorityStepMax); }},
         {"fair_share", [&](const YAML::Node& n) { read_fair_share(n, out.fair_share); }},
         {"limits", [&](const YAML::Node& n) { read_limits(n, out); }},
         {"gpus", [&](const YAML::Node& n) { read_gpus(n, out); }},
         {"dev_containers", [&](const YAML::Node& n) { read_dev_containers(n, out); }},
         {"reservations", [&](const YAML::Node& n) { out.reservations_max = count_of(n); }},
         {"reserve_blindly_after",
          [&](const YAML::Node& n) { out.reserve_blindly_after = span_of(n); }},
         {"aside_after_jobs", [&](const YAML::Node& n) { out.aside_after_jobs = count_of(n); }},
         {"aside_for", [&](const YAML::Node& n) { out.aside_for = span_of(n); }}});
  } catch (const Wrong& e) {
    return wrong(e.at, e.what);
  } catch (const YAML::Exception& e) {
    return wrong(e.mark, e.msg);
  }
  return out;
}

Result<Policy> read_policy(const std::string& path, const Policy& policy) {
  std::error_code failed;
  const fs::file_status found = fs::status(path, failed);
  if (fs::is_fifo(found) || fs::is_socket(found)) {  // reading one waits for whoever writes it
    return Error{Code::kInvalid, path + " is no file", "ls -l " + path};
  }
  const Result<std::string> text = read_file(path, kPolicyBytesMax);
  if (!text && text.error().code == Code::kNotFound) return policy;
  if (!text) return text.error();
  return parse_policy(*text, path, policy);
}

}  // namespace devrun::controller
