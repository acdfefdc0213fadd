#include "controller/rpc/shared_folders.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/base/log.h"
#include "common/base/parse_number.h"
#include "common/runtime/file.h"
#include "controller/storage/remove_tree.h"

namespace devrun::controller {

Status remove_shared_folders(const std::string& folder, const std::set<JobId>& kept, JobId next_job,
                             Time changed_before) {
  const Result<UniqueFd> parent = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!parent) return parent.error().code == Code::kNotFound ? ok() : Status(parent.error());
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    const auto job = parse_number<JobId>(name);
    if (!job || *job >= next_job || kept.contains(*job)) continue;
    // Of jobs that a restored controller does not know it is all that says how old they are.
    struct stat st {};
    if (::fstatat(parent->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (Time{int64_t{st.st_mtim.tv_sec} * 1'000'000} >= changed_before) continue;
    log::info("the shared folder of job {} goes", *job);
    TRY(storage::remove_tree(parent->get(), name));
  }
  return ok();
}

}  // namespace devrun::controller
