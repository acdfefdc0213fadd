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

}  // namespace devrun::tui
