// Pieces that several texts for people are made of. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/model/job.h"

namespace devrun::cli {

// How long before `now`: "3m ago"; "-" for no time.
std::string ago(Time then, Time now);
std::string resources_text(const Resources& resources);
// k=v, k=v
std::string labels_text(const std::map<std::string, std::string>& labels);
// A name and what stands behind it, as a line of `show`.
void line(std::string& out, std::string_view name, std::string_view value);

}  // namespace devrun::cli
