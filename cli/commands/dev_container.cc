#include "cli/commands/dev_container.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/client/caller.h"
#include "cli/output/job_text.h"
#include "cli/output/text_parts.h"
#include "common/base/units.h"
#include "common/model/labels.h"

namespace devrun::cli {

std::vector<std::string> login_settings(const Caller& caller, const Surroundings& here) {
  return {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=" + caller.home,
      "USER=" + caller.user,
      "LOGNAME=" + caller.user,
      "LANG=" + here.variable("LANG").value_or("C.UTF-8"),
  };
}

Result<Caller> caller_for(Controller& controller) {
  const WhoAmI me = TRY(controller.hello());
  Caller caller = TRY(capture_caller());
  if (me.role == "admin") caller = Caller{0, 0, {}, 022, "root", "/root"};
  if (caller.home.empty()) caller.home = "/";
  caller.umask = 022;
  return caller;
}

bool ContainerWish::says_something() const {
  return on_node || resources != Resources{} || !pool.empty() || !node_labels.empty();
}

Result<Submission> container_of(const std::string& volume, const ContainerWish& wish) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.name = "shell";
  spec.dev_container = true;
  spec.root.volume = volume;
  spec.root.live = true;
  spec.per_node = wish.resources;
  spec.pool = wish.pool;
  spec.node_labels = wish.node_labels;
  // The storage host has no GPUs to give, nor pools.
  const bool on_node = wish.on_node || wish.resources.gpus != 0 || !wish.resources.extras.empty() ||
                       !wish.pool.empty() || !wish.node_labels.empty();
  if (on_node) spec.node_labels[kLiveLabel] = kLiveValue;
  return out;
}

std::string missing_of(const ContainerWish& wish, const JobRecord& living) {
  const JobSpec& has = living.spec;
  Resources same = has.per_node;
  if (wish.resources.cpu_milli != 0) same.cpu_milli = wish.resources.cpu_milli;
  if (wish.resources.memory_bytes != 0) same.memory_bytes = wish.resources.memory_bytes;
  if (wish.resources.gpus != 0) {
    same.gpus = wish.resources.gpus;
    same.gpu_milli = wish.resources.gpu_milli;
    same.gpu_type = wish.resources.gpu_type;
  }
  const bool has_labels = std::ranges::all_of(wish.node_labels, [&](const auto& label) {
    const auto it = has.node_labels.find(label.first);
    return it != has.node_labels.end() && it->second == label.second;
  });
  const bool on_node = has.node_labels.count(kLiveLabel) != 0;
  const bool all = same == has.per_node && has_labels && (!wish.on_node || on_node) &&
                   (wish.pool.empty() || wish.pool == has.pool);
  if (all) return {};
  const AttemptRecord* attempt = newest_attempt(living);
  // On the storage host there may be none, or none of CPUs.
  const int64_t memory = has.per_node.memory_bytes;
  const std::string limits = has.per_node.cpu_milli != 0 ? resources_text(has.per_node)
                             : memory != 0               ? format_size(memory) + " of memory"
                                                         : std::string();
  return fmt::format("the dev container of volume {} runs already, on {}{}", has.root.volume,
                     attempt == nullptr || attempt->node.empty() ? "no node yet" : attempt->node,
                     limits.empty() ? "" : ", with " + limits);
}

}  // namespace devrun::cli
