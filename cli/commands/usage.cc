// `devrun usage`: who used how many hours of cores and GPUs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/commands/connect.h"
#include "cli/commands/quota_text.h"
#include "cli/output/job_text.h"
#include "cli/output/table.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.letter = 'a', .name = "all", .meaning = "of all users, for administrators", .example = "-a"},
    {.name = "since",
     .value = "T",
     .meaning = "what was used since then: a span before now, or a time in UTC",
     .fallback = "7d",
     .example = "--since 30d"},
    {.name = "by",
     .value = "user|volume",
     .meaning = "a line for each user, or each volume",
     .fallback = "for each volume of each user",
     .example = "--by user"},
    {.name = "json",
     .meaning =
         "one JSON record: {\"since_us\": …, \"until_us\": …, \"use\": […], \"quotas\": […]}",
     .example = "--json"},
    kHelpOption,
};
constexpr Example kExamples[] = {{"devrun usage", "yours of the last week"},
                                 {"devrun usage -a --since 30d --by user", "who used the cluster"}};

std::vector<UseOfRecord> grouped(const std::vector<UseOfRecord>& uses, const std::string& by) {
  std::map<std::pair<std::string, std::string>, UseOfRecord> sums;
  for (const UseOfRecord& use : uses) {
    const std::string user = by == "volume" ? "" : use.user;
    const std::string volume = by == "user" ? "" : use.volume;
    UseOfRecord& sum = sums[{user, volume}];
    sum.user = user;
    sum.volume = volume;
    sum.jobs += use.jobs;
    sum.core_hours += use.core_hours;
    sum.gpu_hours += use.gpu_hours;
    sum.cpu_hours_used += use.cpu_hours_used;
  }
  std::vector<UseOfRecord> out;
  for (auto& [name, sum] : sums) out.push_back(std::move(sum));
  std::ranges::stable_sort(out, [](const UseOfRecord& a, const UseOfRecord& b) {
    return std::pair(a.gpu_hours, a.core_hours) > std::pair(b.gpu_hours, b.core_hours);
  });
  return out;
}

std::string as_text(const std::vector<UseOfRecord>& uses, const std::string& by) {
  std::vector<std::string> head;
  if (by != "volume") head.emplace_back("USER");
  if (by != "user") head.emplace_back("VOLUME");
  for (const char* name : {"JOBS", "GPU HOURS", "CORE HOURS", "USED"}) head.emplace_back(name);
  Table table(std::move(head));
  for (const UseOfRecord& use : uses) {
    std::vector<std::string> row;
    if (by != "volume") row.push_back(use.user);
    if (by != "user") row.push_back(use.volume);
    row.push_back(fmt::format("{}", use.jobs));
    row.push_back(fmt::format("{:.2f}", use.gpu_hours));
    row.push_back(fmt::format("{:.2f}", use.core_hours));
    row.push_back(use.core_hours <= 0
                      ? "-"
                      : fmt::format("{:.0f}%", 100 * use.cpu_hours_used / use.core_hours));
    table.add(std::move(row));
  }
  return table.render();
}

std::string as_json(const std::vector<UseOfRecord>& uses, const UseRecord& record) {
  nlohmann::json out;
  out["since_us"] = record.from.us;
  out["until_us"] = record.now.us;
  out["truncated"] = record.truncated;
  out["use"] = nlohmann::json::array();
  for (const UseOfRecord& use : uses) {
    out["use"].push_back({{"user", use.user},
                          {"volume", use.volume},
                          {"jobs", use.jobs},
                          {"gpu_hours", use.gpu_hours},
                          {"core_hours", use.core_hours},
                          {"cpu_hours_used", use.cpu_hours_used}});
  }
  out["quotas"] = nlohmann::json::array();
  for (const QuotaRecord& quota : record.quotas)
    out["quotas"].push_back(nlohmann::json(quota_json(quota)));
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

struct Wish {
  std::string since, by;
  bool all = false, json = false;
};

Result<int> usage(const Wish& wish, Context& context) {
  const auto controller = TRY(controller_of(context));
  const Time since = TRY(since_when(wish.since));
  const UseRecord record = TRY(controller->read_use(since, wish.all));
  const std::vector<UseOfRecord> uses = grouped(record.uses, wish.by);
  const std::string quotas = wish.by == "volume" ? "" : "\n" + quota_table(record.quotas);
  TRY(context.console.data(wish.json ? as_json(uses, record) : as_text(uses, wish.by) + quotas));
  if (record.truncated && !wish.json) {
    context.console.say("the oldest of that time do not count: too many jobs ended since",
                        "devrun usage with a shorter --since");
  }
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  TRY(no_words(arguments));
  const Wish wish{arguments.value("since").value_or("7d"), arguments.value("by").value_or(""),
                  arguments.has("all"), arguments.has("json")};
  if (!wish.by.empty() && wish.by != "user" && wish.by != "volume") {
    return Error{
        Code::kInvalid, fmt::format("--by: expected user or volume, not '{}'", wish.by), {}};
  }
  TRY(since_when(wish.since));
  return Action([=](Context& context) { return usage(wish, context); });
}

}  // namespace

Command usage_command() {
  return {
      {.name = "usage",
       .usage = {"usage [-a] [--since T] [--by user|volume] [--json]"},
       .purpose = "hours of GPUs and cores, by user and volume",
       .text =
           "What jobs had, from the placing of each attempt to its end; USED is how much of the "
           "cores' time\ntheir programs used, as far as their nodes could tell, of attempts that "
           "have ended.\nDev containers count for nothing. Below, what each user has now and, "
           "where there is "
           "a limit, may have:\nof the store, the files in their volumes' newest snapshots; of "
           "output, what "
           "is kept of their jobs'.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
