#include "cli/commands/launch_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/launch_job.h"
#include "common/model/limits.h"

namespace devrun::cli {

namespace {

std::string ordinal(size_t n) {
  constexpr std::string_view kWords[] = {"first", "second", "third", "fourth", "fifth", "sixth"};
  return n < std::size(kWords) ? std::string(kWords[n]) : fmt::format("{}th", n + 1);
}

// All but what the scheduler may change by itself.
bool is_alike(const launch::Choice& a, const launch::Choice& b) {
  return a.image == b.image && a.ports == b.ports && a.recovery == b.recovery &&
         a.priority == b.priority;
}

size_t first_good(const std::vector<ForesightRecord>& seen, bool later) {
  const auto at = [&](auto good) {
    return static_cast<size_t>(std::ranges::find_if(seen, good) - seen.begin());
  };
  const size_t now = at([](const ForesightRecord& one) { return one.reason.empty(); });
  const size_t ever = at([](const ForesightRecord& one) { return !one.never; });
  const size_t best = later || now == seen.size() ? ever : now;
  return best == seen.size() ? 0 : best;
}

}  // namespace

Result<Chosen> choose(Controller& controller, const Context& context, const Target& target,
                      const launch::TaskPlan& task, const std::string& name, bool later) {
  Chosen out{task, {}, {}};
  const size_t count = std::min(task.choices.size(), kAlternativesMax);
  if (count < 2) return out;
  std::vector<ForesightRecord> seen;
  for (size_t i = 0; i < count; ++i) {
    out.task.asks = task.choices[i];
    const TaskWish wish{out.task, name, TaskPlaces{target.volume, {}}};
    const Submission submission = TRY(submission_of(wish, context, target.through_socket));
    Result<ForesightRecord> foreseen = controller.foresee(submission);
    if (!foreseen) {
      out.task.asks = task.choices.front();
      return out;
    }
    seen.push_back(*std::move(foreseen));
  }
  const size_t best = first_good(seen, later);
  out.task.asks = task.choices[best];
  // If the cluster has none of them, it may get any.
  const bool has_none = std::ranges::all_of(seen, &ForesightRecord::never);
  for (size_t i = 0; i < count; ++i) {
    if ((seen[i].never && !has_none) || !is_alike(task.choices[i], out.task.asks)) continue;
    out.alternatives.push_back(task.choices[i].per_node);
  }
  if (out.alternatives.size() < 2) out.alternatives.clear();
  if (best == 0) return out;
  out.words = fmt::format("takes the {} of {} alternatives, {}: the first {}", ordinal(best), count,
                          choice_text(out.task.asks), seen.front().reason);
  return out;
}

}  // namespace devrun::cli
