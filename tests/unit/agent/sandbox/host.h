// A node for tests: a state folder, a tree of busybox, real crun, real overlays, in a mount namespace of this process's own.
// Goes away with everything in it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sandbox/node_sandboxes.h"
#include "agent/shim/shim_link.h"

namespace devrun::sandbox {

// What one stream of an output log says.
std::string stream_of(const std::string& attempt_folder, int stream);

// Waits for a condition, 20 s at most; false if it never came.
bool eventually(const std::function<bool()>& condition);

class Host {
 public:
  Host();
  ~Host();

  std::string path(std::string_view inner) const { return folder_ + "/" + std::string(inner); }
  const std::string& folder() const { return folder_; }
  Options options() const;
  Ground ground() const;
  // With all steps, or with those given.
  void open(std::vector<Step> steps = all_steps());
  // With what a test has changed of ground().
  void open(Ground ground);
  Sandboxes& sandboxes() { return *sandboxes_; }

  AttemptSpec spec(std::vector<std::string> argv);
  AttemptSpec shell(const std::string& script) { return spec({"sh", "-c", script}); }

  Status start(const AttemptSpec& spec) { return sandboxes_->start(spec, "", Time{1}, {}); }
  // Starts it, waits for its end, without a link.
  Ending run(const AttemptSpec& spec);
  Ending wait(const AttemptKey& key);
  std::string out(const AttemptKey& key) { return stream_of(sandboxes_->folder(key), 1); }
  std::string err(const AttemptKey& key) { return stream_of(sandboxes_->folder(key), 2); }

  std::vector<std::string> mounts_below() const;
  std::vector<std::string> processes_naming() const;  // those whose command line names the folder

 private:
  std::string folder_;
  std::unique_ptr<Sandboxes> sandboxes_;
  uint64_t next_job_ = 1;
};

// A link that remembers what it was told.
struct Ear {
  std::mutex lock;
  shim::ShimState state;
  uint64_t output_bytes = 0;
  uint64_t taken = 0;
  bool stdin_closed = false;
  bool gone = false;

  shim::Handlers handlers();
  template <typename F>
  auto with(F f) {
    const std::lock_guard guard(lock);
    return f(*this);
  }
};

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override { host_.open(); }
  Host host_;
};

}  // namespace devrun::sandbox
