#include "common/model/task_counts.h"

#include <fmt/format.h>

namespace devrun {

std::string tasks_text(JobId job, const TaskCounts& counts, bool over) {
  std::string out = fmt::format("{}:", counts.total);
  const auto part = [&](uint64_t n, std::string_view what) {
    if (n == 0) return;
    out += fmt::format("{} {} {}", out.back() == ':' ? "" : ",", n, what);
  };
  part(counts.succeeded, "ok");
  part(counts.failed, "failed");
  if (!counts.first_failed.empty()) {
    out += " (";
    for (const int32_t task : counts.first_failed) {
      out += fmt::format("{}{}", out.back() == '(' ? "" : ", ", to_string(TaskKey{job, task}));
    }
    out += counts.failed > counts.first_failed.size() ? ", …)" : ")";
  }
  part(counts.running, "running");
  const uint64_t known = counts.ended() + counts.running;
  part(counts.total > known ? counts.total - known : 0, over ? "not run" : "waiting");
  return out;
}

}  // namespace devrun
