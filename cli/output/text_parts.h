// Pieces that several texts for people are made of. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/time.h"
#include "common/model/job.h"

namespace devrun::cli {

// How long before `now`: "3m ago"; "-" for no time.
std::string ago(Time then, Time now);
std::string resources_text(const Resources& resources);
// k=v, k=v
std::string labels_text(const std::map<std::string, std::string>& labels);
// What of a job's further attempts was asked for, as lines of `show`: their names and what stands behind them.
std::vector<std::pair<std::string, std::string>> retries_rows(const JobSpec& spec);
// A name and what stands behind it, as a line of `show`.
void line(std::string& out, std::string_view name, std::string_view value);

}  // namespace devrun::cli
