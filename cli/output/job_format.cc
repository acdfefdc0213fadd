#include "cli/output/job_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "cli/output/console.h"
#include "cli/output/job_text.h"
#include "common/base/suggest.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

std::string or_dash(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text.empty() ? "-" : printable(text);
}

std::string nodes_of(const JobRecord& job) {
  std::vector<std::string> names;
  for (const AttemptRecord& attempt : job.attempts) {
    if (!attempt.node.empty() && std::ranges::count(names, attempt.node) == 0)
      names.push_back(attempt.node);
  }
  return fmt::format("{}", fmt::join(names, ","));
}

std::string ran_for(const JobRecord& job, Time now) {
  const AttemptRecord* attempt = newest_attempt(job);
  const Timeline& times =
      attempt != nullptr && attempt->timeline.started.us != 0 ? attempt->timeline : job.timeline;
  if (times.started.us == 0) return {};
  const Time until = times.ended.us != 0 ? times.ended : now;
  return fmt::format("{}", std::max<int64_t>(0, (until - times.started).us) / 1'000'000);
}

struct Field {
  std::string_view name;
  std::string (*of)(const JobRecord& job, Time now);
};
constexpr Field kFields[] = {
    {"job", [](const JobRecord& job, Time) { return fmt::format("{}", job.job); }},
    {"name", [](const JobRecord& job, Time) { return job.spec.name; }},
    {"user", [](const JobRecord& job, Time) { return job.spec.user; }},
    {"volume", [](const JobRecord& job, Time) { return job.spec.root.volume; }},
    {"state", [](const JobRecord& job, Time) { return std::string(state_name(job.state)); }},
    {"status",
     [](const JobRecord& job, Time) {
       return job.ending ? fmt::format("{}", job.ending->status) : std::string();
     }},
    {"reason", [](const JobRecord& job, Time) { return job.reason; }},
    {"nodes", [](const JobRecord& job, Time) { return nodes_of(job); }},
    {"command", [](const JobRecord& job, Time) { return shown_command(job); }},
    {"gpus",
     [](const JobRecord& job, Time) {
       return fmt::format("{}", int64_t{job.spec.per_node.gpus} * job.spec.nodes);
     }},
    {"priority", [](const JobRecord& job, Time) { return fmt::format("{}", job.spec.priority); }},
    {"tasks",
     [](const JobRecord& job, Time) {
       return job.tasks ? fmt::format("{}/{}", job.tasks->ended(), job.tasks->total)
                        : std::string();
     }},
    {"seconds", ran_for},
    {"submitted",
     [](const JobRecord& job, Time) {
       return job.timeline.submitted.us == 0 ? std::string() : format_time(job.timeline.submitted);
     }},
    {"snapshot",
     [](const JobRecord& job, Time) {
       return job.spec.root.live ? std::string("live") : job.spec.root.tree.short_hex();
     }},
};

Result<size_t> field_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kFields); ++i) {
    if (kFields[i].name == name) return i;
  }
  const std::vector<std::string_view> names = JobFormat::field_names();
  const auto nearest = nearest_word(name, names);
  return Error{Code::kInvalid,
               nearest ? fmt::format("--format: there is no field '{}', did you mean {{{}}}?", name,
                                     *nearest)
                       : fmt::format("--format: there is no field '{}': they are {}", name,
                                     fmt::join(names, ", ")),
               {}};
}

}  // namespace

std::vector<std::string_view> JobFormat::field_names() {
  std::vector<std::string_view> out;
  for (const Field& field : kFields) out.push_back(field.name);
  return out;
}

Result<JobFormat> JobFormat::parse(std::string_view text) {
  JobFormat out;
  std::string plain;
  while (!text.empty()) {
    if (text.starts_with("{{") || text.starts_with("}}") || text.front() != '{') {
      const bool pair = text.starts_with("{{") || text.starts_with("}}");
      const bool tab = text.starts_with("\\t");
      const bool end = text.starts_with("\\n");
      plain += tab ? '\t' : end ? '\n' : text.front();
      text.remove_prefix(pair || tab || end ? 2 : 1);
      continue;
    }
    const size_t close = text.find('}');
    if (close == std::string_view::npos) {
      return Error{Code::kInvalid, "--format: a '{' without '}'; '{{' is the character itself", {}};
    }
    out.parts_.push_back({std::exchange(plain, {}), TRY(field_of(text.substr(1, close - 1)))});
    text.remove_prefix(close + 1);
  }
  out.parts_.push_back({plain, kNone});
  return out;
}

std::string JobFormat::line(const JobRecord& job, Time now) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.text;
    if (part.field != kNone) out += or_dash(kFields[part.field].of(job, now));
  }
  return out + "\n";
}

}  // namespace devrun::cli
