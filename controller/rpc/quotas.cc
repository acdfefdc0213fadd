#include "controller/rpc/quotas.h"

#include <fmt/format.h>

#include "common/base/units.h"
#include "controller/core/limits.h"

namespace devrun::controller {

void Quotas::set_policy(const Policy& policy) {
  const std::lock_guard lock(mutex_);
  policy_ = policy;
}

void Quotas::set_output(std::map<std::string, int64_t> bytes) {
  const std::lock_guard lock(mutex_);
  output_ = std::move(bytes);
}

Limits Quotas::limits_of(const std::string& user) const {
  const std::lock_guard lock(mutex_);
  return limits_of_user(policy_, user);
}

int64_t Quotas::output_of(const std::string& user) const {
  const std::lock_guard lock(mutex_);
  const auto found = output_.find(user);
  return found == output_.end() ? 0 : found->second;
}

Status Quotas::check_store(storage::Storage& storage, const std::string& user, int64_t more) const {
  const int64_t most = limits_of(user).store_bytes;
  if (most == 0) return ok();
  const auto all = store_bytes_by_owner(TRY(storage.volumes()));
  const auto found = all.find(user);
  const int64_t used = (found == all.end() ? 0 : found->second) + more;
  if (used <= most) return ok();
  return Error{Code::kExhausted,
               fmt::format("the volumes of '{}' {} {}, and the quota is {}", user,
                           more == 0 ? "have" : "would have", format_size(used), format_size(most)),
               "devrun volume du, then delete files or volumes (an administrator may raise it: "
               "docs/operations.md, Quotas)"};
}

Status Quotas::check_output(const std::string& user) const {
  const int64_t most = limits_of(user).output_bytes;
  const int64_t used = output_of(user);
  if (most == 0 || used <= most) return ok();
  return Error{
      Code::kExhausted,
      fmt::format("the output of the jobs of '{}' that is kept has {}, and the quota is {}", user,
                  format_size(used), format_size(most)),
      "devrun usage; the oldest goes by itself with time (an administrator may raise it: "
      "docs/operations.md, Quotas)"};
}

std::map<std::string, int64_t> store_bytes_by_owner(const std::vector<storage::VolumeInfo>& all) {
  std::map<std::string, int64_t> out;
  for (const storage::VolumeInfo& volume : all) out[volume.owner] += volume.newest.bytes;
  return out;
}

devrun::v1::UserQuota running_quota(const State& state, const std::string& user) {
  devrun::v1::UserQuota out;
  out.set_user(user);
  const Account* account = state.schedule.account_of_user(user);
  if (account == nullptr) return out;
  out.set_running(account->running);
  out.set_waiting(account->waiting);
  out.set_gpus(account->gpus);
  out.set_cpu_milli(account->cpu_milli);
  return out;
}

void add_kept(const Quotas& quotas, const std::map<std::string, int64_t>& store_bytes,
              devrun::v1::UserQuota& out) {
  const Limits limits = quotas.limits_of(out.user());
  out.set_store_bytes_max(limits.store_bytes);
  out.set_output_bytes_max(limits.output_bytes);
  out.set_gpus_max(limits.gpus);
  out.set_cpu_milli_max(limits.cpu_milli);
  out.set_running_max(limits.running);
  out.set_waiting_max(limits.waiting);
  out.set_output_bytes(quotas.output_of(out.user()));
  const auto found = store_bytes.find(out.user());
  if (found != store_bytes.end()) out.set_store_bytes(found->second);
}

}  // namespace devrun::controller
