// A node without containers: the seam below the agent's shell. It keeps what a real node keeps on disk and in shims
// (folders, records, living programs), so that it outlives any number of agents; tests play the programs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/sandbox/sandboxes.h"
#include "agent/shim/shim_link.h"
#include "agent/sync/loop.h"

namespace devrun::agent {

class MemoryNode final : public sandbox::Sandboxes {
 public:
  explicit MemoryNode(std::string folder) : folder_(std::move(folder)) {}

  // ── what programs do ──
  void write_output(const AttemptKey& key, const std::string& bytes);
  void exit(const AttemptKey& key, const Ending& ending);
  void shim_dies(const AttemptKey& key);
  // Starts wait until it is false.
  void hold_starts(bool hold);
  std::optional<Error> fail_starts;

  // ── what has become of them ──
  struct Program {
    AttemptSpec spec;
    std::string socket;
    int starts = 0;
    bool alive = false;
    bool started = false;
    std::optional<Ending> ending;
    uint64_t output_bytes = 0;
    std::string in;  // stdin
    bool in_ended = false;
    std::vector<int> signals;
    std::vector<TerminalSize> sizes;
    bool killed = false;
    bool killed_without_shim = false;
    bool released = false;
    bool cleared = false;   // by clear_mount_points
    Time lease_until = {};  // as last renewed
  };
  Program program(const AttemptKey& key);  // a copy; default if there is none

  Result<std::unique_ptr<shim::ShimLink>> connect(const std::string& attempt_folder,
                                                  shim::Handlers handlers);

  Status start(const AttemptSpec& spec, const std::string& container_socket, Time now,
               const sandbox::StartWatch& watch) override;
  void set_gpus(std::vector<gpu::FoundGpu> gpus) override { gpus_ = std::move(gpus); }
  Result<std::vector<sandbox::Found>> find() override;
  Status add_hosts(const AttemptKey&, const std::vector<std::string>&) override { return ok(); }
  Status kill(const AttemptKey& key) override;
  Result<Usage> usage(const AttemptKey&) override {
    return Usage{milliseconds(7), 1 << 20, 0, 0, 0};
  }
  Result<WrittenSummary> written(const AttemptKey& key) override;
  // Nothing but a summary: what is written is told of real overlays (tests/unit/agent/home).
  Result<sandbox::WrittenPlace> written_place(const AttemptKey& key) override {
    sandbox::WrittenPlace place;
    place.upper = folder(key) + "/upper";
    return place;
  }
  Status settle_written(const AttemptKey&) override { return ok(); }
  // Nothing of what its attempts write is ever brought home, so nobody waits for it.
  Status leave_written(const AttemptKey&) override { return ok(); }
  Status clear_mount_points(const AttemptKey& key) override;
  Status release(const AttemptKey& key) override;
  // No program here has sessions: those are tested on real containers (tests/e2e/test_shell.py).
  Status start_session(const AttemptKey&, const sandbox::SessionSpec&) override {
    return Error{Code::kUnsupported, "no sessions here", {}};
  }
  Result<std::vector<sandbox::FoundSession>> find_sessions() override {
    return std::vector<sandbox::FoundSession>{};
  }
  Status remove_session(const AttemptKey&, const std::string&) override { return ok(); }
  std::string session_folder(const AttemptKey& key, const std::string& id) const override {
    return folder(key) + "/exec." + id;
  }
  Result<sandbox::FoundSession> find_session(const AttemptKey&, const std::string&) override {
    return Error{Code::kNotFound, "no sessions here", {}};
  }
  Status collect(Time) override { return ok(); }
  std::string folder(const AttemptKey& key) const override {
    return folder_ + "/" + folder_name(key);
  }

 private:
  class Link;
  shim::ShimState state_of(const Program& program) const;
  void tell(const AttemptKey& key);  // under mutex_

  const std::string folder_;
  std::vector<gpu::FoundGpu> gpus_;
  std::recursive_mutex mutex_;
  std::condition_variable_any changed_;
  bool hold_starts_ = false;
  std::map<AttemptKey, Program> programs_;
  std::map<AttemptKey, Link*> links_;
};

}  // namespace devrun::agent
