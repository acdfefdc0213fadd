// The streams of one attempt: its output log up to the controller, stdin, resizes and signals down to its shim.
//
// Output is read from the file by offset, from where the controller says; a broken call is opened anew and goes on there.
// Nothing is held here but the chunk under way: the log is the buffer, and the controller's `output_taken` the window.
// What comes down before the shim is linked waits here, at most kStdinHeldMax of it.
//
// The hot path touches no loop: the shim's news (link thread) or the end of the last write (gRPC thread) read the next
// chunk and send it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/shim/shim_link.h"
#include "agent/sync/backoff.h"
#include "common/runtime/fd.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

class Streams {
 public:
  // `broke`: the call has ended before all was sent; open() again after that pause. Any thread.
  using Broke = std::function<void(Duration pause)>;

  Streams(devrun::v1::Agent::Stub& stub, const AttemptKey& key, std::string output_path,
          Broke broke);
  ~Streams();  // ends the call; the link must have been taken away

  void open();  // does nothing if it is open
  // nullptr before the link goes away. A second link resumes stdin from the offset that the controller names anew.
  void set_link(shim::ShimLink* link);

  // The shim's news, from the link's thread.
  void output_grew(uint64_t bytes);
  void stdin_taken(uint64_t offset);
  void stdin_closed();
  // The log has this length and will not grow.
  void end_output(uint64_t bytes);

 private:
  class Call;
  enum class Next { kNothing, kMessage, kChunk, kEnd };

  // Starts the next write, if one is due and none is under way.
  void pump();
  Next choose();  // fills call_->up, but for a chunk
  void send_chunk();
  bool read_chunk(uint64_t offset, size_t bytes, std::string& into);

  void on_down(devrun::v1::StreamsDown& down);  // its stdin is moved away
  void on_read_failed();
  void on_written(bool ok);
  void on_done(const grpc::Status& status);
  void cancel();

  // To the shim, or kept until there is one.
  void to_shim(devrun::v1::StreamsDown& down);
  void perform(devrun::v1::StreamsDown& down);

  devrun::v1::Agent::Stub& stub_;
  const AttemptKey key_;
  const std::string output_path_;
  const Broke broke_;

  // Guards all but the link. Held while the private functions of the upward half run.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Call> call_;
  Backoff backoff_;
  bool closing_ = false;
  UniqueFd output_;
  uint64_t size_ = 0;              // of the log, as far as is known
  std::optional<uint64_t> final_;  // its length once it has ended
  std::optional<uint64_t> stdin_taken_;
  bool stdin_closed_ = false;

  std::mutex link_mutex_;  // never held together with mutex_: a write to the shim may block
  shim::ShimLink* link_ = nullptr;
  bool linked_before_ = false;
  std::vector<devrun::v1::StreamsDown> held_;
  size_t held_bytes_ = 0;
};

}  // namespace devrun::agent
