// What the agent's core decides, done: each effect by the hands of its attempt. What may block is the worker's; each that has an answer
// gets it as an input.
#include "agent/sync/agent.h"
#include "agent/sync/agent_runner.h"
#include "agent/sync/asked_file.h"
#include "common/base/log.h"

namespace devrun::agent {

void Agent::perform(const StartAttempt& effect) {
  Runner& runner = this->runner(effect.spec.key);
  AttemptSpec spec = effect.spec;
  runner.lease = spec.lease;
  runner.gpus = spec.gpus;
  if (spec.lease.us != 0) spec.lease_until = answered_ + spec.lease;
  runner.worker.post([this, &runner, spec] {
    const Result<std::string> socket = serve_socket(spec);
    Status started = ok();
    if (socket) {
      started = sandboxes_.start(spec, *socket, wall_now(), watch_of(runner));
    }
    if (!socket || !started) {
      Error error = socket ? started.error() : socket.error();
      if (error.code != Code::kExists) log::warning("{}: {}", to_string(spec.key), error.message);
      post(StartFailed{spec.key, std::move(error)});
      return;
    }
    if (!spec.root.live) traces_.started(spec.key);
    link(runner);
  });
}

void Agent::perform(const AbandonStart& effect) {
  runner(effect.key).abandoned = true;
}

void Agent::perform(const LinkShim& effect) {
  Runner& runner = this->runner(effect.key);
  runner.worker.post([this, &runner] { link(runner); });
}

void Agent::perform(const Inspect& effect) {
  runner(effect.key).worker.post([this, key = effect.key] {
    const Result<std::vector<sandbox::Found>> all = sandboxes_.find();
    const Result<Asked> asked = read_asked(sandboxes_.folder(key));
    if (!all || !asked) {
      log::error("{}: {}", to_string(key), all ? asked.error().message : all.error().message);
      post(LinkFailed{key});
      return;
    }
    const auto it = std::find_if(all->begin(), all->end(), [&](const sandbox::Found& found) {
      return found.spec.key == key;
    });
    if (it == all->end() || !it->shim_alive) {
      log_failure(key, "killing what a dead shim left", sandboxes_.kill(key));
    }
    if (it == all->end()) {
      post(FoundNothing{key});
    } else {
      post(found_input(*it, *asked));
    }
  });
}

void Agent::perform(const OpenStreams& effect) {
  runner(effect.key).streams->open();
}

void Agent::perform(const EndOutput& effect) {
  runner(effect.key).streams->end_output(static_cast<uint64_t>(effect.output_bytes));
}

void Agent::perform(const Remember& effect) {
  log_failure(effect.key, "remembering what was asked",
              write_asked(runner(effect.key).folder, effect.asked));
}

void Agent::perform(const Go& effect) {
  if (!effect.hosts.empty()) {
    log_failure(effect.key, "hosts", sandboxes_.add_hosts(effect.key, effect.hosts));
  }
  if (const auto& link = runner(effect.key).link) log_failure(effect.key, "go", link->go());
}

void Agent::perform(const FirstRankEnded& effect) {
  if (const auto& link = runner(effect.key).link) {
    log_failure(effect.key, "telling it that rank 0 has ended", link->first_rank_ended());
  }
}

void Agent::perform(const SignalProgram& effect) {
  log::info("{}: signal {}", to_string(effect.key), effect.signal);
  if (const auto& link = runner(effect.key).link) {
    log_failure(effect.key, "signal", link->signal(effect.signal));
  }
}

void Agent::perform(const KillAll& effect) {
  log::info("{}: killing all of it", to_string(effect.key));
  Runner& runner = this->runner(effect.key);
  if (!effect.without_shim && runner.link) {
    log_failure(effect.key, "kill", runner.link->kill_all());
    return;
  }
  runner.worker.post([this, key = effect.key] { log_failure(key, "kill", sandboxes_.kill(key)); });
}

void Agent::perform(const Measure& effect) {
  traces_.ended(effect.key);
  // While the controller is away it may have given this node up, and begun another container in the same live tree.
  const bool clears = effect.tree_is_its_own && connected_;
  runner(effect.key).worker.post([this, key = effect.key, clears] {
    if (clears) {
      log_failure(key, "taking its mount points away", sandboxes_.clear_mount_points(key));
    }
    Result<WrittenSummary> wrote = sandboxes_.written(key);
    if (!wrote) log::warning("{}: what it wrote: {}", to_string(key), wrote.error().message);
    std::optional<HomeSummary> home = homes_.finish(key);
    if (home && !wrote) wrote = WrittenSummary{};
    if (wrote) wrote->home = std::move(home);
    const Result<Usage> used = sandboxes_.usage(key);
    post(Measured{key, wrote ? std::optional(std::move(*wrote)) : std::nullopt,
                  used ? std::optional(*used) : std::nullopt});
  });
}

// Not the worker's to do, who waits for the round.
void Agent::perform(const LeaveResults& effect) {
  homes_.leave(effect.key);
}

void Agent::perform(const Report& effect) {
  const ObservedAttempt& observed = effect.observed;
  if (observed.ending) {
    log::info("{}: ended with {}{}{}", to_string(observed.key), observed.ending->status,
              observed.ending->reason.empty() ? "" : ": ", observed.ending->reason);
  }
  reports_.tell(observed);
}

// No work of the worker's is in flight, so that link and streams are the loop's to take.
void Agent::perform(const Release& effect) {
  Runner& runner = this->runner(effect.key);
  struct Hands {
    std::unique_ptr<Streams> streams;
    std::unique_ptr<shim::ShimLink> link;
  };
  const auto hands = std::make_shared<Hands>(std::move(runner.streams), std::move(runner.link));
  const auto clean = [this, key = effect.key, hands] {
    if (hands->streams) hands->streams->set_link(nullptr);
    hands->link.reset();
    hands->streams.reset();
    const Status released = sandboxes_.release(key);
    homes_.released(key);
    gateway_->end(key);  // after the container, which has its folder mounted
    log_failure(key, "release", released);
    post(Cleaned{key, released.has_value()});
  };
  sessions_.end(effect.key, [&runner, clean] { runner.worker.post(clean); });
}

}  // namespace devrun::agent
