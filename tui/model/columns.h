// Which columns the jobs screen has at the terminal's width: what answers most comes first, the last one takes the rest.
// Pure.
#pragma once

#include <string_view>
#include <vector>

#include "tui/model/job_list.h"

namespace devrun::tui {

struct Column {
  SortBy by = SortBy::kAge;
  std::string_view title;
  int width = 0;  // with the blank after it; 0: what is left
  int at = 0;     // where it begins
};
std::vector<Column> job_columns(const Model& model);

// Of the list of nodes: how wide its columns are, and how many of the histories (CPU, memory, GPU) have one. The others
// are below the list, of the selected node.
inline constexpr int kNodeName = 14, kNodeState = 9, kNodeJobs = 6, kNodeBar = 10, kNodeShare = 17,
                     kNodeGpus = 10;
struct NodeHistories {
  int at = 0;
  int width = 0;  // of each, with a gap of two after it
  int shown = 1;
  int in_all = 2;
};
inline constexpr int kGpuHistory = 2;  // its number among them, the last one
NodeHistories node_histories(const Model& model);

}  // namespace devrun::tui
