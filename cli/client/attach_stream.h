// One Attach call: what the controller says of a job's streams, and what is said to it. The call
// ends when the job's ending has been read, when the connection breaks, or by cancel(). One thread
// reads, another may write and cancel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "cli/client/record_decoder.h"
#include "cli/output/records.h"
#include "common/base/result.h"

namespace devrun::cli {

// A session of one's own in a job's container. `id` (new_request_id) is what lets us come back to it.
struct SessionWish {
  std::string id;
  Program program;  // in a job: without caller, and an empty cwd is the job's
  std::string env;
  bool exists = false;  // come back to it: never start it again
};

// Where in a job's output to begin; all that is asked for is sent, and as a rule some more before it.
struct LogBegin {
  std::optional<uint64_t> lines = {};  // the last so many
  Time since = {};
  bool out = true;  // streams whose lines count
  bool err = true;
  uint64_t bytes_max = 0;  // of the log, before its end; 0: any
};

struct AttachStart {
  AttemptKey what;  // job, task and rank
  uint64_t output_from = 0;
  bool write_stdin = false;                 // be the writer: of stdin, signals and sizes
  std::optional<SessionWish> session = {};  // instead of the job's own streams
  std::optional<LogBegin> begin = {};       // instead of output_from
  uint32_t attempt = 0;                     // whose output output_from counts; 0: the newest one
};

struct AttachState {
  JobState state = JobState::kQueued;
  std::string node;
  std::string reason;           // why it waits, or why it is UNREACHABLE
  uint32_t attempt = 0;         // whose output follows; 0: none has been placed
  uint64_t missing_before = 0;  // bytes of the former attempt's log that will not come
};
struct AttachOutput {
  uint64_t offset = 0;
  std::string bytes;  // of the output log
};
struct StdinTaken {
  uint64_t offset = 0;
};
struct StdinClosed {};
struct AttachEnd {
  JobState state = JobState::kSucceeded;
  Ending ending;
  std::optional<WrittenSummary> wrote;
  Timeline timeline;
  uint64_t output_missing = 0;  // bytes that will not come
};
using AttachNews = std::variant<AttachState, AttachOutput, StdinTaken, StdinClosed, AttachEnd>;

class AttachStream {
 public:
  virtual ~AttachStream() = default;

  // Nothing when the call is over: `finish` then says why.
  virtual std::optional<AttachNews> read() = 0;
  virtual Status finish() = 0;

  // False when the call is over.
  virtual bool send_stdin(uint64_t offset, std::string bytes, bool eof) = 0;
  virtual bool send_resize(TerminalSize size) = 0;
  virtual bool send_signal(int signal) = 0;
  virtual bool send_output_read(uint64_t offset) = 0;
  virtual bool send_hang_up() = 0;  // of a session: we leave for good
  virtual bool send_keep() = 0;     // we leave on purpose: the job is to go on whatever happens

  virtual void cancel() = 0;  // any thread
};

}  // namespace devrun::cli
