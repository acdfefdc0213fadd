#include "controller/rpc/volume_quota.h"

#include <fmt/format.h>

#include <filesystem>

#include "common/base/units.h"
#include "controller/storage/removed.h"

namespace devrun::controller {

namespace {

Result<std::vector<storage::RemovedBytes>> removed_bytes(const storage::Storage& storage) {
  const std::filesystem::path jobs = storage.jobs_path();
  return storage::removed_bytes((jobs.parent_path() / "volumes").string());
}

}  // namespace

Status check_new_volume(const Quotas& quotas, storage::Storage& storage, const std::string& user,
                        int64_t bytes) {
  const int64_t most = quotas.limits_of(user).store_bytes;
  if (most == 0) return ok();
  TRY(quotas.check_store(storage, user, bytes));
  int64_t removed = 0;
  for (const storage::RemovedBytes& one : TRY(removed_bytes(storage))) {
    if (one.owner == user) removed += one.bytes;
  }
  const auto all = store_bytes_by_owner(TRY(storage.volumes()));
  const auto found = all.find(user);
  const int64_t used = (found == all.end() ? 0 : found->second) + bytes;
  if (removed == 0 || used + removed <= 2 * most) return ok();
  return Error{
      Code::kExhausted,
      fmt::format("the removed volumes of '{}' that are still kept have {}, with the others "
                  "{}, and the quota is {}, twice that with removed ones",
                  user, format_size(removed), format_size(used + removed), format_size(most)),
      "devrun volume ls --removed, which says when they go"};
}

Status check_returned_volume(const Quotas& quotas, storage::Storage& storage,
                             const std::string& user, const std::string& volume) {
  int64_t bytes = 0;
  for (const storage::RemovedBytes& one : TRY(removed_bytes(storage))) {
    if (one.volume == volume) bytes = one.bytes;
  }
  return quotas.check_store(storage, user, bytes);
}

}  // namespace devrun::controller
