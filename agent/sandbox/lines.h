// Small text files of an attempt's folder: one item a line. What a step made, for its undo.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::sandbox {

Status write_lines(const std::string& path, const std::vector<std::string>& lines);
// Empty if there is no such file.
Result<std::vector<std::string>> read_lines(const std::string& path);

}  // namespace devrun::sandbox
