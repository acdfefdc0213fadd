#include "agent/sync/agent.h"

#include "agent/sync/agent_runner.h"
#include "agent/sync/asked_file.h"
#include "agent/sync/node_gpus.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/wire/attempt.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr Duration kCollectEvery = seconds(600);

uint32_t seed_of(const std::string& instance) {
  return static_cast<uint32_t>(std::hash<std::string>{}(instance));
}

}  // namespace

Agent::Agent(AgentOptions options, sandbox::Sandboxes& sandboxes, ConnectShim connect_shim)
    : options_(std::move(options)),
      hello_(options_.hello),
      sandboxes_(sandboxes),
      connect_shim_(std::move(connect_shim)),
      channels_(make_channels(options_.controller, options_.credentials)),
      control_(pb::Agent::NewStub(channels_.control)),
      streams_(pb::Agent::NewStub(channels_.streams)),
      homes_(channels_.home, sandboxes_),
      reports_(*control_, loop_, seed_of(options_.instance), options_.hello.name, options_.instance,
               [this](Time sent) { on_answered(sent); }),
      synchronize_(*control_, loop_, seed_of(options_.instance),
                   {[this] { return hello(); },
                    [this](const pb::DesiredState& message) { on_desired(message); },
                    [this](bool yes) {
                      connected_ = yes;
                      sessions_.controller_connected(yes);
                    }}),
      traces_(*control_, options_.fs_socket, housekeeping_),
      sessions_(*streams_, sandboxes_, connect_shim_) {}

// The loop first: the runners are its own until it has ended.
Agent::~Agent() {
  sampler_.reset();
  files_watch_.reset();
  files_counts_.reset();
  loop_.stop();
  housekeeping_.stop();
  if (options_.gpus != nullptr) options_.gpus->stop();
  sessions_.stop();
  homes_.stop();  // a worker may wait for a last round
  for (const auto& [key, runner] : runners_) runner->abandoned = true;  // or for the store
  runners_.clear();
}

Status Agent::begin() {
  gateway_ = TRY(Gateway::open(options_.sockets_folder, channels_.gateway));
  TRY(find());
  sessions_.begin();
  homes_.begin();
  loop_.start();
  // Before the first hello, so that a node whose devrun-fs is dead never counts as one that works.
  if (!options_.fs_socket.empty()) {
    files_watch_ = std::make_unique<FilesWatch>(
        FilesWatch::Options{options_.fs_socket, options_.keeper_socket},
        [this](const std::string& trouble, bool for_good) {
          loop_.post([=, this] { on_files(trouble, for_good); });
        });
    files_counts_ = std::make_unique<FilesCounts>(options_.fs_socket, [this](const Counts& counts) {
      loop_.post([=, this] {
        files_ = counts;
        reports_.tell_files(files_);
      });
    });
  }
  loop_.post([this] { synchronize_.dial(); });
  loop_.post_after(options_.report_every, [this] { report_now_and_then(); });
  housekeeping_.start();
  housekeeping_.post([this] { collect(); });
  watch_gpus();
  sampler_ = std::make_unique<Sampler>(
      channels_.control, sandboxes_, [this] { return gpu_samples(); },
      [this](Sampler::Answer answer) { list_running(answer); });
  return ok();
}

// Before the loop has started: this thread plays it.
Status Agent::find() {
  const std::vector<sandbox::Found> all = TRY(sandboxes_.find());
  for (const sandbox::Found& found : all) {
    const AttemptKey& key = found.spec.key;
    if (found.released) {
      homes_.released(key);
      continue;
    }
    if (!found.shim_alive) log_failure(key, "killing what a dead shim left", sandboxes_.kill(key));
    if (found.shim_alive) {
      const Result<std::string> socket = serve_socket(found.spec);
      if (!socket) log::warning("{}: {}", to_string(key), socket.error().message);
    }
    const Result<Asked> asked = read_asked(sandboxes_.folder(key));
    if (!asked) log::error("{}", asked.error().message);
    log::info("{}: found, {}", to_string(key), found.shim_alive ? "running" : "ended");
    runner(key).lease = found.spec.lease;
    runner(key).gpus = found.spec.gpus;
    feed(found_input(found, asked ? *asked : Asked{}));
  }
  return ok();
}

void Agent::feed(const Input& input) {
  const Effects effects = step(state_, input, wall_now());
  for (const Effect& effect : effects) {
    std::visit([this](const auto& one) { perform(one); }, effect);
  }
  if (const Cleaned* cleaned = std::get_if<Cleaned>(&input); cleaned && cleaned->done) {
    runners_.erase(cleaned->key);
  }
  if (const Linked* linked = std::get_if<Linked>(&input)) renew(linked->key);
  arrange_tick();
  see_whether_left();
}

void Agent::leave(Duration grace, std::function<void()> left) {
  loop_.post([this, grace, left = std::move(left)] {
    trouble_ = fmt::format("{} leaves the cluster: it was told to end", hello_.name);
    log::info("{}", trouble_);
    left_ = left;
    reports_.tell_trouble(trouble_);
    feed(Leaving{fmt::format("its node left the cluster: {} was told to end", hello_.name), grace});
  });
}

void Agent::see_whether_left() {
  if (!left_ || !state_.attempts.empty()) return;
  log::info("nothing is left here");
  std::exchange(left_, nullptr)();
}

void Agent::arrange_tick() {
  const std::optional<Time> due = next_tick(state_);
  if (!due || (tick_at_ && *tick_at_ <= *due)) return;
  tick_at_ = due;
  loop_.post_after(std::max(*due - wall_now(), Duration{}), [this] {
    tick_at_.reset();
    feed(Tick{});
  });
}

// An attempt whose files have gone for good waits in the kernel for an answer that nobody gives: the core marks it lost first, so
// that what its end looks like does not matter, then the mounts are given up, which lets it die.
void Agent::on_files(const std::string& trouble, bool for_good) {
  if (trouble == trouble_ || left_) return;
  if (trouble.empty()) {
    log::info("devrun-fs answers");
  } else {
    log::error("{}", trouble);
  }
  trouble_ = trouble;
  reports_.tell_trouble(trouble);
  const bool any_live =
      std::any_of(state_.attempts.begin(), state_.attempts.end(),
                  [](const auto& entry) { return entry.second.observed.phase != Phase::kEnded; });
  if (!for_good || !any_live) return;
  feed(FilesLost{trouble});
  const Status given_up = give_up_mounts(options_.keeper_socket);
  if (!given_up) log::warning("giving up the mounts: {}", given_up.error().message);
}

void Agent::on_desired(const pb::DesiredState& message) {
  Desired desired{message.whole(), {}, {}};
  for (const pb::Desired& one : message.desired()) {
    Result<DesiredAttempt> attempt = wire::from_proto(one);
    if (!attempt) {
      log::error("from the controller: {}", attempt.error().message);
      desired.whole = false;  // what could not be read must not be taken for released
      continue;
    }
    DesiredItem item{std::move(*attempt), {}, one.deliver_signal(), one.deliver_sequence()};
    if (one.has_spec()) {
      Result<AttemptSpec> spec = wire::from_proto(one.spec());
      if (spec) {
        item.spec = std::move(*spec);
      } else {
        log::error("{}: {}", to_string(item.attempt.key), spec.error().message);
      }
    }
    desired.desired.push_back(std::move(item));
  }
  for (const pb::AttemptKey& one : message.released()) {
    if (const Result<AttemptKey> key = wire::from_proto(one)) desired.released.push_back(*key);
  }
  if (message.whole()) on_answered(synchronize_.dialled_at());
  feed(desired);
  for (const pb::SessionOrder& order : message.sessions()) sessions_.serve(order);
  for (const pb::AttemptKey& one : message.bring_home()) {
    if (const Result<AttemptKey> key = wire::from_proto(one)) homes_.bring(*key);
  }
  if (message.whole()) {
    reports_.tell_trouble(
        trouble_);  // the call may have been dialled with an older word than one that came before it
    reports_.try_now();
    reports_.sign_of_life();  // the call may have been dialled long before it was answered
  }
}

// The node's own processes and those of the controller agree on nothing but the order of messages: a call that was
// answered was sent before the controller heard of us, so that it counts our silence from later than we do.
void Agent::on_answered(Time sent) {
  answered_ = std::max(answered_, sent);
  for (const auto& [key, attempt] : state_.attempts) renew(key);
}

// The link is the loop's only while the core waits for nothing from the worker.
void Agent::renew(const AttemptKey& key) {
  const auto attempt = state_.attempts.find(key);
  const auto found = runners_.find(key);
  if (attempt == state_.attempts.end() || found == runners_.end()) return;
  const Stage& stage = attempt->second.stage;
  if (!std::holds_alternative<Running>(stage) && !std::holds_alternative<Stopping>(stage)) return;
  const Runner& runner = *found->second;
  if (runner.lease.us == 0 || !runner.link || answered_.us == 0) return;
  log_failure(key, "renewing its lease", runner.link->renew_lease(answered_ + runner.lease));
}

void Agent::report_now_and_then() {
  if (options_.gpus != nullptr) options_.gpus->check();
  for (const auto& [key, attempt] : state_.attempts) {
    if (!std::holds_alternative<Running>(attempt.stage)) continue;
    runner(key).worker.post([this, key = key] {
      if (const Result<Usage> used = sandboxes_.usage(key)) post(Used{key, *used});
    });
  }
  reports_.sign_of_life();
  loop_.post_after(options_.report_every, [this] { report_now_and_then(); });
}

void Agent::list_running(const Sampler::Answer& answer) {
  loop_.post([this, answer] {
    std::vector<SampledAttempt> out;
    for (const auto& [key, attempt] : state_.attempts) {
      const bool runs = std::holds_alternative<Running>(attempt.stage) ||
                        std::holds_alternative<Stopping>(attempt.stage);
      const auto found = runners_.find(key);
      if (!runs || found == runners_.end()) continue;
      // While setup runs nobody expects that its GPUs do anything.
      const bool uses_gpus = attempt.observed.phase != Phase::kSettingUp;
      out.push_back({key, uses_gpus ? found->second->gpus : std::vector<uint32_t>()});
    }
    answer(std::move(out));
  });
}

void Agent::collect() {
  const Status done = sandboxes_.collect(wall_now());
  if (!done) log::warning("collecting old uppers: {}", done.error().message);
  housekeeping_.post_after(kCollectEvery, [this] { collect(); });
}

// ── runners ─────────────────────────────────────────────────────────────────────────────────────

Agent::Runner& Agent::runner(const AttemptKey& key) {
  std::unique_ptr<Runner>& slot = runners_[key];
  if (!slot) {
    slot = std::make_unique<Runner>();
    slot->key = key;
    slot->folder = sandboxes_.folder(key);
    slot->streams = std::make_unique<Streams>(*streams_, key, slot->folder + "/output",
                                              [this, key](Duration pause) {
                                                loop_.post_after(pause, [this, key] {
                                                  const auto it = runners_.find(key);
                                                  if (it != runners_.end() && it->second->streams)
                                                    it->second->streams->open();
                                                });
                                              });
    slot->worker.start();
  }
  return *slot;
}

shim::Handlers Agent::handlers_of(Runner& runner) {
  Streams& streams = *runner.streams;
  const AttemptKey key = runner.key;
  shim::Handlers handlers;
  handlers.state = [this, key, &streams](const shim::ShimState& state) {
    streams.output_grew(state.output_bytes);
    streams.stdin_taken(state.stdin_offset);
    post(ShimChanged{key, state.started, state.first_byte, state.ended, state.ending,
                     static_cast<int64_t>(state.output_bytes), state.setup_done, state.stays});
  };
  handlers.output_grew = [&streams](uint64_t bytes) { streams.output_grew(bytes); };
  handlers.stdin_taken = [&streams](uint64_t offset) { streams.stdin_taken(offset); };
  handlers.stdin_closed = [&streams] { streams.stdin_closed(); };
  handlers.gone = [this, key] { post(ShimGone{key}); };
  return handlers;
}

void Agent::link(Runner& runner) {
  runner.streams->set_link(nullptr);
  runner.link.reset();
  Result<std::unique_ptr<shim::ShimLink>> linked =
      connect_shim_(runner.folder, handlers_of(runner));
  if (!linked) {
    log::warning("{}: its shim: {}", to_string(runner.key), linked.error().message);
    post(LinkFailed{runner.key});
    return;
  }
  runner.link = std::move(*linked);
  runner.streams->set_link(runner.link.get());
  homes_.started(runner.key);
  post(Linked{runner.key});
}

Result<std::string> Agent::serve_socket(const AttemptSpec& spec) {
  return gateway_->serve(spec.key, {spec.root.volume, spec.user, spec.key.job});
}

sandbox::StartWatch Agent::watch_of(Runner& runner) {
  const AttemptKey key = runner.key;
  return {.progress =
              [this, key](const Timeline& timeline) {
                post(Progressed{key, timeline});
              },
          .waits =
              [this, key](const std::string& reason) {
                if (!reason.empty()) log::info("{}: {}", to_string(key), reason);
                post(StartWaits{key, reason});
              },
          .given_up = [&runner] { return runner.abandoned.load(); },
          .tree_is_its_own = [this, &runner] { return connected_ && !runner.abandoned; }};
}

}  // namespace devrun::agent
