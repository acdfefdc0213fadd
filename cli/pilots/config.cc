#include "cli/pilots/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/start/config_reader.h"
#include "common/model/labels.h"
#include "common/runtime/file.h"

namespace devrun::pilots {

using start::ConfigReader;
using start::set;

namespace {

constexpr size_t kConfigBytesMax = 1 << 20;
constexpr int64_t kMaxMax = 1000;
// Slurm's limits count minutes.
constexpr Duration kMinute = seconds(60);

std::optional<std::string> name_word(ConfigReader& reader, const YAML::Node& node) {
  auto out = reader.word(node);
  // It becomes part of names of nodes and of words for Slurm.
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  };
  if (!out || (std::all_of(out->begin(), out->end(), plain) && out->front() != '-')) return out;
  reader.wrong(node, fmt::format("'{}' is no name: letters, digits, '-' and '_'", *out));
  return std::nullopt;
}

void read_resources(ConfigReader& reader, ConfigReader::Fields& fields, Resources& out,
                    std::map<std::string, std::string>& labels) {
  fields.insert(
      fields.end(),
      {{"cpus",
        [&](const YAML::Node& n) {
          if (const auto cores = reader.count(n, 1, 100'000)) out.cpu_milli = *cores * 1000;
        }},
       {"memory", [&](const YAML::Node& n) { set(out.memory_bytes, reader.size(n)); }},
       {"gpus",
        [&](const YAML::Node& n) {
          if (const auto gpus = reader.count(n, 0, 64)) out.gpus = static_cast<int32_t>(*gpus);
        }},
       {"gpu_type", [&](const YAML::Node& n) { set(out.gpu_type, name_word(reader, n)); }},
       {"gpu_memory", [&](const YAML::Node& n) { set(out.gpu_memory_bytes, reader.size(n)); }},
       {"labels", [&](const YAML::Node& n) {
          reader.names(n, [&](const YAML::Node& key, const YAML::Node& value) {
            const auto name = reader.word(key), text = reader.word(value);
            if (!name || !text) return;
            if (is_label_word(*name) && is_label_word(*text)) {
              labels[*name] = *text;
            } else {
              reader.wrong(key, fmt::format("'{}: {}' is no label", *name, *text));
            }
          });
        }}});
}

void read_words(ConfigReader& reader, const YAML::Node& node, std::vector<std::string>& out) {
  reader.list(node, [&](const YAML::Node& one) {
    if (auto word = reader.word(one)) out.push_back(*word);
  });
}

// Options without which a pilot would not be one, or would not be found again.
bool is_ours(const std::string& option) {
  static const std::set<std::string_view> kOurs = {
      "--job-name", "-J",    "--comment",  "--nodes", "-N",    "--ntasks",        "-n",
      "--array",    "-a",    "--requeue",  "--wait",  "-W",    "--wrap",          "--parsable",
      "--uid",      "--gid", "--time",     "-t",      "--mem", "--cpus-per-task", "-c",
      "--hold",     "-H",    "--test-only"};
  return kOurs.count(std::string_view(option).substr(0, option.find('='))) != 0;
}

void read_kind(ConfigReader& reader, const YAML::Node& node, Policy& policy) {
  Kind out;
  ConfigReader::Fields fields = {
      {"name", [&](const YAML::Node& n) { set(out.name, name_word(reader, n)); }},
      {"time", [&](const YAML::Node& n) { set(out.time, reader.span(n)); }},
      {"pools", [&](const YAML::Node& n) { read_words(reader, n, out.pools); }},
      {"partition", [&](const YAML::Node& n) { set(out.partition, reader.word(n)); }},
      {"account", [&](const YAML::Node& n) { set(out.account, reader.word(n)); }},
      {"options", [&](const YAML::Node& n) { read_words(reader, n, out.options); }},
  };
  read_resources(reader, fields, out.has, out.labels);
  reader.map(node, fields);
  if (!node.IsMap()) return;
  for (const char* needed : {"name", "cpus", "memory", "time"}) {
    if (!node[needed]) reader.wrong(node, fmt::format("'{}' is missing", needed));
  }
  for (const std::string& option : out.options) {
    if (!option.starts_with("-")) {
      reader.wrong(node["options"],
                   fmt::format("'{}' is no option of sbatch, as --qos=low", option));
    } else if (is_ours(option)) {
      reader.wrong(node["options"], fmt::format("'{}' is not yours to say: pilots are known by it, "
                                                "or another key here says it",
                                                option));
    }
  }
  const bool known = std::any_of(policy.kinds.begin(), policy.kinds.end(),
                                 [&](const Kind& kind) { return kind.name == out.name; });
  if (known) reader.wrong(node, fmt::format("there are two kinds called '{}'", out.name));
  if (out.has.gpus == 0 && !out.has.gpu_type.empty())
    reader.wrong(node, "'gpu_type' without 'gpus'");
  policy.kinds.push_back(std::move(out));
}

void check_spans(ConfigReader& reader, const YAML::Node& root, const Policy& policy) {
  for (const Kind& kind : policy.kinds) {
    if (kind.time.us > 0 && kind.time < kMinute) {
      reader.wrong(root["kinds"],
                   fmt::format("'{}': Slurm counts minutes: 'time' is 1m at least", kind.name));
    } else if (kind.time.us > 0 && kind.time <= policy.lead) {
      reader.wrong(
          root["kinds"],
          fmt::format("'{}': nothing would ever begin there: 'time' is not longer than 'lead'",
                      kind.name));
    }
  }
}

}  // namespace

NodeHello Kind::hello() const {
  NodeHello out;
  out.total = has;
  out.total.gpu_memory_bytes = 0;
  out.pools = pools;
  out.labels = labels;
  for (int32_t i = 0; i < has.gpus; ++i) {
    Gpu gpu;
    gpu.index = static_cast<uint32_t>(i);
    gpu.type = has.gpu_type;
    gpu.memory_bytes = has.gpu_memory_bytes;
    out.gpus.push_back(std::move(gpu));
  }
  return out;
}

Result<Policy> parse_policy(const std::string& text, const std::string& file) {
  ConfigReader reader(file);
  Policy out;
  const YAML::Node root = reader.load(text);
  if (!root.IsNull()) {
    const auto span = [&](Duration& field) {
      return [&](const YAML::Node& n) { set(field, reader.span(n)); };
    };
    const auto path = [&](std::string& field) {
      return [&](const YAML::Node& n) { set(field, reader.path(n)); };
    };
    const auto number = [&](uint32_t& field) {
      return [&](const YAML::Node& n) {
        if (const auto value = reader.count(n, 1, kMaxMax)) field = static_cast<uint32_t>(*value);
      };
    };
    reader.map(root,
               {{"prefix", [&](const YAML::Node& n) { set(out.prefix, name_word(reader, n)); }},
                {"max", number(out.max)},
                {"pending_max", number(out.pending_max)},
                {"idle_for", span(out.idle_for)},
                {"lead", span(out.lead)},
                {"grace", span(out.grace)},
                {"join_within", span(out.join_within)},
                {"lost_after", span(out.lost_after)},
                {"poll_every", span(out.poll_every)},
                {"programs", path(out.programs)},
                {"state", path(out.state)},
                {"log", path(out.log)},
                {"slurm", path(out.slurm)},
                {"kinds", [&](const YAML::Node& n) {
                   reader.list(n, [&](const YAML::Node& one) { read_kind(reader, one, out); });
                 }}});
    if (root.IsMap() && !root["kinds"]) {
      reader.missing("kinds", "kinds: [{name: cpu, cpus: 8, memory: 32G, time: 4h}]");
    } else if (root.IsMap() && root["kinds"].IsSequence() && root["kinds"].size() == 0) {
      reader.wrong(root["kinds"], "there is no kind of pilot");
    }
    if (root.IsMap() && root["kinds"]) check_spans(reader, root, out);
  }
  TRY(reader.status());
  return out;
}

Result<Policy> read_policy(const std::string& file) {
  Result<std::string> text = read_file(file, kConfigBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, fmt::format("{} is not there", file),
                 "docs/slurm.md, and the sample /usr/share/doc/devrun/slurm.yaml"};
  }
  return parse_policy(TRY(std::move(text)), file);
}

}  // namespace devrun::pilots
