// The agent: the loop that owns the core's state, and the hands that do what it decides.
//
//   controller ──Synchronize──▶ step(state, input, now) ──effects──▶ Runner of each attempt
//              ◀── Report ────        ▲                                ├ worker (set-up, scans, last rounds, release: what may block)
//              ◀─ Streams ─┐          └──────────── inputs ────────────├ link to its shim
//                          └───────────────────────────────────────────└ streams
//
// Threads: one loop; for each attempt a worker and its link's reader; one that accepts connections of containers; those that
// bring home what attempts write (agent/home); gRPC's.
// May be killed at any point: all that counts is on disk and in the shims, and begin() finds it again.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/core/reconcile.h"
#include "agent/home/homes.h"
#include "agent/sandbox/sandboxes.h"
#include "agent/shim/shim_link.h"
#include "agent/sync/channel.h"
#include "agent/sync/files_counts.h"
#include "agent/sync/files_watch.h"
#include "agent/sync/gateway.h"
#include "agent/sync/loop.h"
#include "agent/sync/reports.h"
#include "agent/sync/sampler.h"
#include "agent/sync/sessions.h"
#include "agent/sync/synchronize.h"
#include "agent/sync/traces.h"
#include "common/model/node.h"

namespace devrun::agent {

struct AgentOptions {
  NodeHello hello;
  std::string instance;    // of this process, never used again
  std::string controller;  // HOST:PORT
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::string sockets_folder;
  std::string fs_socket = {};  // of devrun-fs; empty: the node has none
  std::string keeper_socket = {};
  Duration report_every = seconds(10);  // signs of life, with what attempts use; renews leases
  class NodeGpus* gpus = nullptr;       // outlives the agent; none: the node has no GPUs
};

using ConnectShim = std::function<Result<std::unique_ptr<shim::ShimLink>>(
    const std::string& attempt_folder, shim::Handlers)>;

class Agent {
 public:
  Agent(AgentOptions options, sandbox::Sandboxes& sandboxes, ConnectShim connect_shim);
  ~Agent();  // running attempts go on

  // Finds what is on disk, then dials.
  Status begin();
  // The node leaves the cluster: nothing new begins here, what runs gets TERM and, after `grace`, KILL, and is told as lost.
  // Once nothing of it is left here and the controller has it all, `left` is called, on the loop. Any thread; once.
  void leave(Duration grace, std::function<void()> left);

 private:
  struct Runner;

  Status find();
  void feed(const Input& input);  // loop
  void post(Input input) {
    loop_.post([this, input = std::move(input)] { feed(input); });
  }
  void arrange_tick();
  void on_files(const std::string& trouble, bool for_good);
  void see_whether_left();
  void on_desired(const devrun::v1::DesiredState& message);
  devrun::v1::SynchronizeRequest hello() const;
  void watch_gpus();
  void on_gpus();
  std::map<uint32_t, GpuSample> gpu_samples() const;  // any thread
  void collect();
  void report_now_and_then();
  void on_answered(Time sent);
  void renew(const AttemptKey& key);
  void list_running(const Sampler::Answer& answer);  // any thread

  Runner& runner(const AttemptKey& key);
  void link(Runner& runner);  // worker
  shim::Handlers handlers_of(Runner& runner);
  sandbox::StartWatch watch_of(Runner& runner);
  Result<std::string> serve_socket(const AttemptSpec& spec);

  void perform(const StartAttempt& effect);
  void perform(const AbandonStart& effect);
  void perform(const LinkShim& effect);
  void perform(const Inspect& effect);
  void perform(const OpenStreams& effect);
  void perform(const EndOutput& effect);
  void perform(const Remember& effect);
  void perform(const Go& effect);
  void perform(const FirstRankEnded& effect);
  void perform(const SignalProgram& effect);
  void perform(const KillAll& effect);
  void perform(const Measure& effect);
  void perform(const LeaveResults& effect);
  void perform(const Report& effect);
  void perform(const Release& effect);

  const AgentOptions options_;
  NodeHello hello_;  // as it is now
  sandbox::Sandboxes& sandboxes_;
  const ConnectShim connect_shim_;
  const Channels channels_;
  const std::unique_ptr<devrun::v1::Agent::Stub> control_, streams_;

  home::Homes homes_;
  Loop loop_;
  Loop housekeeping_;
  State state_;
  std::optional<Time> tick_at_;
  std::string trouble_;         // of the node as such; empty: none
  std::function<void()> left_;  // it leaves; empty: it does not
  Time
      answered_;  // boot_clock() at the sending of the newest call that was answered: leases count from then
  std::atomic<bool> connected_ = false;  // to the controller
  Reports reports_;
  Synchronize synchronize_;
  std::unique_ptr<Gateway> gateway_;
  std::map<AttemptKey, std::unique_ptr<Runner>> runners_;
  std::unique_ptr<FilesWatch> files_watch_;
  Traces traces_;  // on housekeeping_
  Counts files_;   // what devrun-fs counts
  std::unique_ptr<FilesCounts> files_counts_;
  Sessions sessions_;
  std::unique_ptr<Sampler> sampler_;  // ends first
};

}  // namespace devrun::agent
