#include "cli/pilots/slurm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "cli/pilots/admit.h"
#include "cli/pilots/slurm_text.h"
#include "common/runtime/child.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::pilots {

namespace {

constexpr const char* kLimitS = "60";
constexpr int kStatusTimeout = 124;  // of timeout(1)
constexpr size_t kWordsMax = 400;

Result<UniqueFd> text_as_file(const std::string& text) {
  UniqueFd out(::memfd_create("input", MFD_CLOEXEC));
  if (!out) return errno_error("memfd_create", errno);
  TRY(write_all(out.get(), text));
  if (::lseek(out.get(), 0, SEEK_SET) != 0) return errno_error("lseek", errno);
  return out;
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) c = c == '\n' ? ';' : c;
  return text.substr(0, kWordsMax);
}

}  // namespace

Result<std::string> Slurm::run(const std::string& program, const std::vector<std::string>& words,
                               const std::string& input) const {
  std::vector<std::string> argv = {"timeout", "--kill-after=5", kLimitS,
                                   policy_.slurm + "/" + program};
  argv.insert(argv.end(), words.begin(), words.end());
  const UniqueFd text = TRY(text_as_file(input));
  const ChildResult done = TRY(run_child_with(argv, {.hint = "", .input = text.get()}));
  if (done.exit_status == 0) return done.out;
  if (done.exit_status == kStatusTimeout) {
    return Error{Code::kTimeout, fmt::format("{} gave no answer within {} s", program, kLimitS),
                 "scontrol ping"};
  }
  if (done.exit_status == kStatusAdmittedBefore) {
    return Error{Code::kConflict, "that pilot has joined before", {}};
  }
  return Error{Code::kIo,
               fmt::format("{} ended with {}: {}", program, done.exit_status, one_line(done.out)),
               {}};
}

Result<std::vector<Pilot>> Slurm::pilots() const {
  return parse_squeue(policy_, TRY(run("squeue", squeue_words(std::to_string(::geteuid())), {})));
}

Result<uint64_t> Slurm::submit(const Kind& kind, const std::string& name) const {
  const std::string said =
      TRY(run("sbatch", sbatch_words(policy_, kind, name), batch_script(policy_, kind, name)));
  if (const auto job = parse_submitted(said)) return *job;
  return Error{Code::kCorrupt, fmt::format("sbatch named no job: {}", one_line(said)), "squeue"};
}

Status Slurm::cancel(uint64_t job) const {
  TRY(run("scancel", {std::to_string(job)}, {}));
  return ok();
}

Status Slurm::hand_over(uint64_t job, const std::string& secret) const {
  TRY(run("srun",
          {"--quiet", fmt::format("--jobid={}", job), "--overlap", "--nodes=1", "--ntasks=1",
           "--mem=0", "--chdir=/", "--input=all", policy_.programs + "/devrun-slurm", "admit",
           "--job", std::to_string(job)},
          secret));
  return ok();
}

}  // namespace devrun::pilots
