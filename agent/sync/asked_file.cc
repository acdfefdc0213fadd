#include "agent/sync/asked_file.h"

#include <unistd.h>

#include <cstdio>

#include "common/runtime/file.h"

namespace devrun::agent {
namespace {
constexpr size_t kBytesMax = 4096;
std::string path_in(const std::string& folder) {
  return folder + "/asked";
}
}  // namespace

Status write_asked(const std::string& attempt_folder, const Asked& asked) {
  return write_file_atomically(
      path_in(attempt_folder),
      fmt::format("1 delivered {} stop {}\n{}", asked.delivered_sequence,
                  asked.stop_cause ? static_cast<int>(*asked.stop_cause) : 0, asked.stop_reason),
      0600);
}

Result<Asked> read_asked(const std::string& attempt_folder) {
  const std::string path = path_in(attempt_folder);
  if (::access(path.c_str(), F_OK) != 0) return Asked{};
  const std::string text = TRY(read_file(path, kBytesMax));
  Asked asked;
  int stop = 0;
  if (std::sscanf(text.c_str(), "1 delivered %u stop %d", &asked.delivered_sequence, &stop) != 2 ||
      stop < 0 || stop > static_cast<int>(EndCause::kLost)) {
    return Error{Code::kCorrupt, path + " is not what an agent writes", {}};
  }
  if (stop != 0) asked.stop_cause = static_cast<EndCause>(stop);
  if (const size_t line = text.find('\n'); line != std::string::npos) {
    asked.stop_reason = text.substr(line + 1);
  }
  return asked;
}

}  // namespace devrun::agent
