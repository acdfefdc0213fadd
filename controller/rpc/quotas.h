// What users may take of the store, and have taken: the policy's limits (core/policy.h), their volumes, and their jobs'
// output as it was counted last. Limits of what runs are the core's (core/limits.h). Any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "common/base/result.h"
#include "controller/core/policy.h"
#include "controller/core/state.h"
#include "controller/storage/storage.h"
#include "devrun/v1/monitor.pb.h"

namespace devrun::controller {

class Quotas {
 public:
  void set_policy(const Policy& policy);
  // By user; of those that are not named there is none.
  void set_output(std::map<std::string, int64_t> bytes);

  Limits limits_of(const std::string& user) const;
  int64_t output_of(const std::string& user) const;
  // kExhausted: their volumes have, with so many bytes more, more than they may.
  Status check_store(storage::Storage& storage, const std::string& user, int64_t more = 0) const;
  // The same of their jobs' output.
  Status check_output(const std::string& user) const;

 private:
  mutable std::mutex mutex_;
  Policy policy_;
  std::map<std::string, int64_t> output_;
};

// Of the files in the newest snapshots of each user's volumes.
std::map<std::string, int64_t> store_bytes_by_owner(const std::vector<storage::VolumeInfo>& all);

// What a user has at once of what runs and waits, read off the state on the core's thread; the rest is added elsewhere.
devrun::v1::UserQuota running_quota(const State& state, const std::string& user);
void add_kept(const Quotas& quotas, const std::map<std::string, int64_t>& store_bytes,
              devrun::v1::UserQuota& out);

}  // namespace devrun::controller
