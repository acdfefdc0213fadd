#include "cli/output/text_parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/output/console.h"
#include "common/base/units.h"
#include "common/model/resources.h"

namespace devrun::cli {

std::string ago(Time time, Time now) {
  return time.us == 0 ? "-"
                      : format_duration(Duration{std::max<int64_t>(now.us - time.us, 0)}) + " ago";
}

std::string resources_text(const Resources& resources) {
  const double cores = static_cast<double>(resources.cpu_milli) / 1000;
  std::string out = fmt::format("{:g} cpu", cores);
  if (resources.memory_bytes > 0) out += fmt::format(", {}", format_size(resources.memory_bytes));
  if (resources.gpus > 0) out += fmt::format(", {:g} gpu", gpus_held(resources));
  if (resources.gpus > 0 && !resources.gpu_type.empty())
    out += fmt::format(" {}", resources.gpu_type);
  if (resources.gpu_memory_bytes > 0)
    out += fmt::format(" with {}", format_size(resources.gpu_memory_bytes));
  for (const auto& [name, amount] : resources.extras) out += fmt::format(", {} {}", amount, name);
  return out;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", key, value);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> retries_rows(const JobSpec& spec) {
  std::vector<std::pair<std::string, std::string>> out;
  std::vector<std::string> free;
  if (spec.retry_lost) free.emplace_back("of a lost node");
  if (!spec.retry_always_on.empty()) {
    free.push_back(fmt::format("after status {}", fmt::join(spec.retry_always_on, ", ")));
  }
  if (!free.empty()) out.emplace_back("recovery", fmt::format("{}", fmt::join(free, ", and ")));
  if (spec.retries == 0) return out;
  const std::string on =
      spec.retry_on.empty() ? "" : fmt::format(", on status {}", fmt::join(spec.retry_on, ", "));
  const std::string_view besides = free.empty() ? "" : " besides";
  out.emplace_back("retries", fmt::format("{}{}{}", spec.retries, on, besides));
  return out;
}

void line(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("{:<12}{}\n", name, printable(value));
}

}  // namespace devrun::cli
