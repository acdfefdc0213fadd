#include "controller/core/limits.h"

#include <fmt/format.h>

#include "common/model/fits.h"

namespace devrun::controller {

namespace {

int64_t gpus_needed(const JobSpec& spec) {
  return int64_t{spec.per_node.gpus} * spec.nodes;
}

int64_t cpu_milli_needed(const JobSpec& spec) {
  return spec.per_node.cpu_milli * spec.nodes;
}

double cores(int64_t milli) {
  return static_cast<double>(milli) / 1000;
}

}  // namespace

const Limits& limits_of_user(const Policy& policy, const std::string& user) {
  const auto it = policy.limits_of_user.find(user);
  return it == policy.limits_of_user.end() ? policy.user_limits : it->second;
}

const Limits* limits_of_pool(const Policy& policy, const std::string& pool) {
  const auto it = policy.limits_of_pool.find(pool);
  return it == policy.limits_of_pool.end() ? nullptr : &it->second;
}

std::string limit_reached(const Limits& limits, const Account* account, const JobSpec& spec) {
  if (lives_on_storage_host(spec)) return {};
  const uint32_t running = account == nullptr ? 0 : account->running;
  if (limits.running != 0 && running >= limits.running) {
    return fmt::format("{} tasks run, as many as are allowed at once", running);
  }
  const int64_t held = account == nullptr ? 0 : account->gpus;
  const int64_t need = gpus_needed(spec);
  if (limits.gpus != 0 && need > 0 && held + need > int64_t{limits.gpus}) {
    return fmt::format("{} of {} GPUs that are allowed at once are held, and it needs {}", held,
                       limits.gpus, need);
  }
  const int64_t cpus = account == nullptr ? 0 : account->cpu_milli;
  const int64_t wanted = cpu_milli_needed(spec);
  if (limits.cpu_milli != 0 && wanted > 0 && cpus + wanted > limits.cpu_milli) {
    return fmt::format("{:g} of {:g} cores that are allowed at once are held, and it needs {:g}",
                       cores(cpus), cores(limits.cpu_milli), cores(wanted));
  }
  return {};
}

bool is_above(const Limits& limits, const JobSpec& spec) {
  if (lives_on_storage_host(spec)) return false;
  return (limits.gpus != 0 && gpus_needed(spec) > int64_t{limits.gpus}) ||
         (limits.cpu_milli != 0 && cpu_milli_needed(spec) > limits.cpu_milli);
}

Status check_waiting(const State& state, const JobSpec& spec) {
  if (lives_on_storage_host(spec)) return ok();  // it waits for nothing
  const auto full = [](const Limits& limits, const Account* account) {
    return limits.waiting != 0 && account != nullptr && account->waiting >= limits.waiting;
  };
  const Limits& own = limits_of_user(state.policy, spec.user);
  if (full(own, state.schedule.account_of_user(spec.user))) {
    return Error{
        Code::kExhausted,
        fmt::format("{} jobs of {} wait already, as many as may at once", own.waiting, spec.user),
        "devrun ps (an array is one job, whatever its size)"};
  }
  const Limits* pool = limits_of_pool(state.policy, spec.pool);
  if (pool != nullptr && full(*pool, state.schedule.account_of_pool(spec.pool))) {
    return Error{Code::kExhausted,
                 fmt::format("{} jobs wait for pool '{}' already, as many as may at once",
                             pool->waiting, spec.pool),
                 "devrun ps"};
  }
  return ok();
}

}  // namespace devrun::controller
