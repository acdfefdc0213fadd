// `devrun doctor`: a line for each thing, the missing ones with the command that mends them.
#include <filesystem>

#include "cli/cluster/cluster.h"
#include "cli/cluster/gpu_check.h"
#include "cli/cluster/kernel_features.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/say.h"

namespace devrun::cluster {

int run_doctor(const DoctorOptions& options) {
  if (options.gpus) return check_gpus(options.gpu_root);
  int missing = options.found_missing;
  std::vector<Need> needs = check_needs();
  for (Need& feature : kernel_features(probe_kernel())) needs.push_back(std::move(feature));
  if (options.of_node) std::erase_if(needs, [](const Need& need) { return need.of_store; });
  for (const Need& need : needs) {
    if (need.present) {
      fmt::print("ok        {}\n", need.name);
      continue;
    }
    if (need.required) ++missing;
    fmt::print("{}  {}: {}. Mend: {}\n", need.required ? "MISSING " : "optional", need.name,
               need.purpose, need.mend);
  }
  if (std::filesystem::exists("/sys/fs/cgroup/unified")) {
    fmt::print(
        "note      cgroups are hybrid: nodes hide /sys/fs/cgroup/unified from crun in their "
        "own mount namespace; nothing to do\n");
  }
  std::fflush(stdout);  // the program ends by _exit
  if (missing == 0) return 0;
  say("{} needed {} missing. Try: the commands above, then devrun {}", missing,
      missing == 1 ? "thing is" : "things are", options.of_node ? "doctor" : "up");
  return 125;
}

}  // namespace devrun::cluster
