#include "tui/model/columns.h"

#include <algorithm>
#include <array>

#include "tui/model/model.h"

namespace devrun::tui {

namespace {

// A command that says nothing is worth less than a column that does.
constexpr int kLastAtLeast = 26, kLastAtLeastIfWide = 40, kWide = 90;

struct Offered {
  Column column;
  int importance;  // 0: always there
  bool gpus = false;
};
constexpr std::array kOffered{
    Offered{{SortBy::kJob, "JOB", 10, 0}, 0},       Offered{{SortBy::kState, "STATE", 12, 0}, 0},
    Offered{{SortBy::kUser, "USER", 9, 0}, 5},      Offered{{SortBy::kVolume, "VOLUME", 11, 0}, 6},
    Offered{{SortBy::kNode, "NODE", 10, 0}, 2},     Offered{{SortBy::kTime, "TIME", 8, 0}, 1},
    Offered{{SortBy::kGpu, "GPU", 10, 0}, 3, true}, Offered{{SortBy::kCpu, "CPU", 7, 0}, 4},
    Offered{{SortBy::kMemory, "MEM", 8, 0}, 7},     Offered{{SortBy::kHome, "HOME", 10, 0}, 8},
    Offered{{SortBy::kAge, "AGE", 5, 0}, 9}};
constexpr int kLeastImportant = 9;

}  // namespace

std::vector<Column> job_columns(const Model& model) {
  const bool gpus = any_gpus(model);
  int least_important = 0;
  for (int importance = 1, used = 1 + 10 + 12; importance <= kLeastImportant; ++importance) {
    for (const Offered& one : kOffered) {
      if (one.importance != importance || (one.gpus && !gpus)) continue;
      used += one.column.width;
    }
    const int last = model.columns < kWide ? kLastAtLeast : kLastAtLeastIfWide;
    if (used + last > model.columns) break;
    least_important = importance;
  }
  std::vector<Column> out;
  int at = 2;
  for (const Offered& one : kOffered) {
    if (one.importance > least_important || (one.gpus && !gpus)) continue;
    out.push_back(one.column);
    out.back().at = at;
    at += one.column.width;
  }
  out.push_back({SortBy::kCommand, "COMMAND AND REASON", 0, at});
  return out;
}

NodeHistories node_histories(const Model& model) {
  constexpr int kAtLeast = 16, kAloneAtLeast = 12, kAtMost = 72;
  const bool gpus = any_gpus(model);
  NodeHistories out;
  out.at = 2 + kNodeName + kNodeState + kNodeJobs + 2 * kNodeShare + (gpus ? kNodeGpus : 0);
  out.in_all = gpus ? 3 : 2;
  const int room = std::max(0, model.columns - out.at - 1);
  const int each = (room - 2 * (out.in_all - 1)) / out.in_all;
  out.shown = each >= kAtLeast ? out.in_all : room >= kAloneAtLeast ? 1 : 0;
  out.width = std::min(kAtMost, out.shown == 1 ? room : each);
  return out;
}

}  // namespace devrun::tui
