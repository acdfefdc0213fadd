// The agent's connection to one shim. The shim outlives the agent: after a restart a new link to the same socket goes on
// where the old one was, since stdin counts by offset and output is a file (`output` in the attempt's folder).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/attempt.h"

namespace devrun::shim {

struct ShimState {
  uint32_t container_pid = 0;
  Time started;
  Time first_byte;
  std::optional<Ending> ending;  // set when the exit record is in place (exit_record.h)
  Time ended;
  uint64_t stdin_offset = 0;
  uint64_t output_bytes = 0;
  bool setup_done = false;  // the setup step has ended with 0, and the shim waits for go()
  bool stays = false;       // the program has ended with 0, and is waited for by rank 0 alone
};

// Called from the link's own thread.
struct Handlers {
  std::function<void(const ShimState&)> state;
  std::function<void(uint64_t output_bytes)> output_grew;
  std::function<void(uint64_t offset)> stdin_taken;
  std::function<void()> stdin_closed;
  // The shim has closed or died; the last call, and none if the link is destroyed first. A shim leaves once its end is
  // told: if no ending came, look for the exit record (exit_record.h) before calling the attempt lost.
  std::function<void()> gone;
};

class ShimLink {
 public:
  // Connects, says hello, starts the reading thread. kUnavailable if nobody serves the socket.
  static Result<std::unique_ptr<ShimLink>> connect(const std::string& attempt_folder,
                                                   Handlers handlers);
  virtual ~ShimLink() = default;  // joins the thread (so not from a handler); the shim goes on

  // Any thread. Never more than 1 MiB beyond the offset of stdin_taken.
  virtual Status write_stdin(uint64_t offset, std::string data, bool eof) = 0;
  virtual Status resize(TerminalSize size) = 0;
  virtual Status signal(int signal) = 0;
  virtual Status go() = 0;  // every rank's setup is done; may come early and again
  virtual Status
  first_rank_ended() = 0;  // a rank that stays for rank 0 alone ends; may come early and again
  virtual Status renew_lease(Time until) = 0;  // on boot_clock()
  virtual Status kill_all() = 0;               // KILL to everything in the container
};

}  // namespace devrun::shim
