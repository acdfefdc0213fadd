// `--format`: a line for each job as somebody wants it, '{job} {state}\t{command}'. `\t` and `\n` in it stand for themselves,
// `{{` for a brace. What has no value is '-', so that columns stay where they are. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output/records.h"
#include "common/base/result.h"

namespace devrun::cli {

class JobFormat {
 public:
  // kInvalid with the nearest name for a field that there is not.
  static Result<JobFormat> parse(std::string_view text);
  // With a line's end.
  std::string line(const JobRecord& job, Time now) const;
  static std::vector<std::string_view> field_names();

 private:
  struct Part {
    std::string text;  // as it is, before the field
    size_t field = 0;  // kNone: none
  };
  std::vector<Part> parts_;
};

}  // namespace devrun::cli
