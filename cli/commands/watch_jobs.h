// `devrun ps --watch`: the list again whenever something changes, as the controller's stream says. On a terminal the table
// stays in its place; elsewhere each job is a line, once at first and then whenever it has changed.
#pragma once

#include <functional>

#include "cli/commands/connect.h"

namespace devrun::cli {

struct ListWatch {
  JobQuery query;
  std::function<std::string(const JobList&)> all;    // on a terminal; empty: lines alone
  std::function<std::string(const JobRecord&)> one;  // a line
};
// Until the user ends it, or stdout is read no more. Goes on when a controller that went away is back.
Result<int> watch_jobs(Controller& controller, const ListWatch& watch, Context& context);

}  // namespace devrun::cli
