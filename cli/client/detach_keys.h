// The detach sequence in what is typed. Keys are held back while they may begin it: `Ctrl-\` waits
// for the next key. Written as Docker does, `ctrl-\,d`: keys separated by commas, each one
// character or `ctrl-` and one of a-z @ [ \ ] ^ _.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::cli {

inline constexpr std::string_view kDefaultDetachKeys = "ctrl-\\,d";

Result<std::string> parse_detach_keys(std::string_view text);  // the bytes of the sequence

class DetachMatcher {
 public:
  explicit DetachMatcher(std::string sequence) : sequence_(std::move(sequence)) {}

  struct Typed {
    std::string bytes;      // for the job
    bool detached = false;  // the sequence was completed; what followed it is dropped
  };
  Typed feed(std::string_view bytes);

 private:
  std::string sequence_;  // empty: never matches
  size_t matched_ = 0;
};

}  // namespace devrun::cli
