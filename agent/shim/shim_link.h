// The agent's connection to one shim. The shim outlives the agent: after a restart a new link to the same socket goes on
// where the old one was, since stdin counts by offset and output is a file (`output` in the attempt's folder).
#pragma once

#include "common/base/result.h"
#include "common/model/attempt.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace devrun::shim {

struct ShimState {
  uint32_t container_pid = 0;
  Time started;
  Time first_byte;
  std::optional<Ending> ending;  // set when the exit record is durable
  Time ended;
  uint64_t stdin_offset = 0;
  uint64_t output_bytes = 0;
};

// Called from the link's own thread.
struct Handlers {
  std::function<void(const ShimState&)> state;
  std::function<void(uint64_t output_bytes)> output_grew;
  std::function<void(uint64_t offset)> stdin_taken;
  std::function<void()> stdin_closed;
  std::function<void()> gone;  // the shim has closed or died; the last call
};

class ShimLink {
 public:
  // Connects, says hello, starts the reading thread. kUnavailable if nobody serves the socket.
  static Result<std::unique_ptr<ShimLink>> connect(const std::string& attempt_folder, Handlers handlers);
  virtual ~ShimLink() = default;  // joins the thread; the shim goes on

  // Any thread. Never more than 1 MiB beyond the offset of stdin_taken.
  virtual Status write_stdin(uint64_t offset, std::string_view data, bool eof) = 0;
  virtual Status resize(TerminalSize size) = 0;
  virtual Status signal(int signal) = 0;
  virtual Status kill_all() = 0;  // KILL to everything in the container
};

}  // namespace devrun::shim
