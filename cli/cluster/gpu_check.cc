#include "cli/cluster/gpu_check.h"

#include <cstdio>

#include "cli/cluster/machine.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/say.h"
#include "common/runtime/child.h"

namespace devrun::cluster {

namespace {

constexpr int kBad = 125;
constexpr int kNoLibrary = 3;  // agent/gpu_probe/status.h
constexpr int kUnfit = 5;

}  // namespace

int check_gpus(const std::string& driver_root) {
  const Result<std::string> program = find_gpu_probe();
  if (!program) {
    say("{}. Try: {}", program.error().message, program.error().hint);
    return kBad;
  }
  const Result<ChildResult> ended =
      run_child_lines({*program, "--check", "--root", driver_root}, [](std::string_view line) {
        fmt::print("{}\n", line);
        std::fflush(stdout);
      });
  if (!ended) {
    say("{}", ended.error().message);
    return kBad;
  }
  // A driver's own library may have made it meanwhile: it runs outside of containers.
  const std::optional<Need> need = gpu_need(driver_root);
  if (need && !need->present) {
    say("{} is missing, so no CUDA program starts in a job. Try: {}", need->name, need->mend);
    if (ended->exit_status == 0) return kBad;
  }
  if (ended->exit_status == 0) return 0;
  if (ended->exit_status == kNoLibrary) {
    say("there is no libcuda.so.1 below {}, so this machine has no NVIDIA driver. Try: devrun "
        "doctor --gpu "
        "--gpu-root DIR, if it is installed elsewhere",
        driver_root);
  } else if (ended->exit_status == kUnfit) {
    say("a GPU failed. Try: nvidia-smi -q -d ECC,ROW_REMAPPER, and dmesg | grep NVRM");
  } else {
    say("the driver serves no GPU. Try: nvidia-smi, and dmesg | grep NVRM");
  }
  return kBad;
}

}  // namespace devrun::cluster
