#include "cli/pilots/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "cli/cluster/process.h"
#include "cli/pilots/look.h"
#include "cli/pilots/slurm_text.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::pilots {

namespace {

constexpr Duration kRefusedPause = seconds(10);
constexpr Duration kRefusedPauseMax = seconds(600);
constexpr Duration kLockPatience = seconds(90);  // a command of Slurm's has ended by then
constexpr const char* kRunFolder = "/run/devrun-slurm";

Time wall_clock() {
  using namespace std::chrono;
  return {duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()};
}

// Kept open in whatever we start.
Result<UniqueFd> take_lock(const Policy& policy) {
  TRY(make_folders(kRunFolder, 0700));
  UniqueFd lock =
      TRY(open_file(fmt::format("{}/{}.lock", kRunFolder, policy.prefix), O_RDWR | O_CREAT, 0600));
  if (::fcntl(lock.get(), F_SETFD, 0) != 0) return errno_error("fcntl", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  log::info(
      "another devrun-slurm, or a command that one has started, still runs: waiting for its end");
  if (cluster::wait_until(kLockPatience,
                          [&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; }))
    return lock;
  return Error{Code::kConflict,
               fmt::format("another devrun-slurm runs here for '{}'", policy.prefix),
               "systemctl status devrun-slurm"};
}

std::string refused_file(const Policy& policy) {
  return fmt::format("{}/{}.refused", kRunFolder, policy.prefix);
}

class Daemon {
 public:
  Daemon(const Policy& policy, const cli::Target& target)
      : policy_(policy), controller_(target), slurm_(policy), hands_(policy, controller_, slurm_) {}

  void round() {
    const Time now = wall_clock();
    const Result<Seen> seen = look(controller_, slurm_, now);
    say_once("looking", seen ? std::string() : seen.error().message);
    if (!seen) {
      // After a break only this brings the connection back.
      controller_.wait_connected(std::chrono::milliseconds(100));
      return;
    }
    look_for_asked(*seen);
    for (const Action& action : decide(policy_, *seen, memory_)) act(action, now);
  }

 private:
  // Slurm has just taken it and does not tell it as a pilot: where its comment or name are changed on the way
  // (a job_submit plugin), we would ask for ever.
  void look_for_asked(const Seen& seen) {
    for (const auto& [job, ask] : std::exchange(asked_, {})) {
      const std::string& kind = ask.kind;
      const bool known = std::any_of(seen.pilots.begin(), seen.pilots.end(),
                                     [j = job, &a = ask](const Pilot& pilot) {
                                       return pilot.job == j && pilot.name == a.name;
                                     });
      if (known) {
        memory_.refused.erase(kind);
        refusals_.erase(kind);
        note_refusals();  // also what a former devrun-slurm has left there
        continue;
      }
      refuse(kind,
             fmt::format(
                 "its job {} is not found again by its name ({}) and comment ({}): has a plugin of "
                 "Slurm's changed them?",
                 job, ask.name, comment_of(policy_, kind)),
             seen.now);
      const Status ended = slurm_.cancel(job);
      if (!ended) log::error("{}", ended.error().message);
    }
  }

  void refuse(const std::string& kind, const std::string& why, Time now) {
    Pause& pause = memory_.refused[kind];
    put_off(pause, now, kRefusedPause, kRefusedPauseMax);
    log::error("Slurm refuses a pilot of kind {}: {}. The next try is in {}", kind, why,
               format_duration(pause.length));
    refusals_[kind] = why;
    note_refusals();
  }

  void act(const Action& action, Time now) {
    const std::string words = to_string(action);
    const Ask* ask = std::get_if<Ask>(&action);
    // Refused in this very round: another of its kind would be, too.
    if (ask != nullptr && memory_.refused.count(ask->kind) != 0 &&
        memory_.refused[ask->kind].until > now)
      return;
    const Status done = hands_.perform(action);
    if (ask != nullptr && !done) return refuse(ask->kind, done.error().message, now);
    if (!done) return say_once(words, done.error().message);
    told_.erase(words);
    if (const Void* voided = std::get_if<Void>(&action)) {
      memory_.voided.insert(voided->name);  // mostly there was nothing
      return;
    }
    log::info("{}", words);
    if (ask == nullptr) return;
    asked_[hands_.submitted()] = *ask;
  }

  // The same trouble is told once, until it is over.
  void say_once(const std::string& what, const std::string& trouble) {
    std::string& before = told_[what];
    if (before != trouble && !trouble.empty()) log::error("{}: {}", what, trouble);
    if (before != trouble && trouble.empty()) log::info("{}: works again", what);
    before = trouble;
  }

  void note_refusals() {
    std::string text;
    for (const auto& [kind, words] : refusals_) text += fmt::format("{}: {}\n", kind, words);
    const Status done = write_file_atomically(refused_file(policy_), text, 0600);
    if (!done) log::warning("{}", done.error().message);
  }

  const Policy& policy_;
  cli::Controller controller_;
  const Slurm slurm_;
  Hands hands_;
  Memory memory_;
  std::map<uint64_t, Ask> asked_;  // by Slurm's job: in the round before
  std::map<std::string, std::string> told_, refusals_;
};

}  // namespace

Status run_daemon(const Policy& policy, const cli::Target& controller, bool once) {
  const UniqueFd lock = TRY(take_lock(policy));
  // Before there are threads: they have the mask, too. What we start gets it as well, and it ends by itself.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  const UniqueFd signals(::signalfd(-1, &ends, SFD_CLOEXEC));
  if (!signals) return errno_error("signalfd", errno);
  Daemon daemon(policy, controller);
  log::info("asks Slurm for at most {} nodes at once for the jobs of {}", policy.max,
            controller.shown);
  for (;;) {
    daemon.round();
    pollfd ended{signals.get(), POLLIN, 0};
    if (once || ::poll(&ended, 1, static_cast<int>(policy.poll_every.us / 1000)) > 0) return ok();
  }
}

Result<std::string> status_text(const Policy& policy, const cli::Target& target) {
  cli::Controller controller(target);
  const Slurm slurm(policy);
  const Seen seen = TRY(look(controller, slurm, wall_clock()));
  std::string out;
  for (const Pilot& pilot : seen.pilots) {
    if (pilot.state == PilotState::kOver) continue;
    const char* state = pilot.state == PilotState::kPending   ? "waits for Slurm"
                        : pilot.state == PilotState::kRunning ? "runs"
                        : pilot.state == PilotState::kEnding  ? "ends"
                                                              : "out of Slurm's sight";
    out += fmt::format("{}  Slurm's job {}  {}  {}\n", pilot.name, pilot.job, pilot.kind, state);
  }
  if (out.empty()) out = "no pilots\n";
  Memory memory;
  for (const Action& action : decide(policy, seen, memory)) {
    if (!std::holds_alternative<Void>(action)) out += fmt::format("next: {}\n", to_string(action));
  }
  if (const Result<std::string> refused = read_file(refused_file(policy));
      refused && !refused->empty()) {
    out += "refused by Slurm: " + *refused;
  }
  return out;
}

}  // namespace devrun::pilots
