#include "agent/shim/exit_record.h"

#include "agent/shim/shim_wire.h"
#include "common/runtime/file.h"

namespace devrun::shim {

namespace {
std::string path_in(const std::string& folder) {
  return folder + "/exit";
}
}  // namespace

Status write_exit_record(const std::string& attempt_folder, const ExitRecord& record) {
  return write_file_atomically(path_in(attempt_folder), encode(record), 0640);
}

Result<std::optional<ExitRecord>> read_exit_record(const std::string& attempt_folder) {
  Result<std::string> bytes = read_file(path_in(attempt_folder), 1 << 20);
  if (!bytes && bytes.error().code == Code::kNotFound) return std::optional<ExitRecord>{};
  if (!bytes) return std::move(bytes).error();
  return std::optional<ExitRecord>{TRY(parse_exit_record(*bytes))};
}

}  // namespace devrun::shim
