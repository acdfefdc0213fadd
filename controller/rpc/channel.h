// The streams of one attempt, where its agent's call and the calls of its watchers meet: the output log, stdin on its
// way down, resizes and signals. No thread and no queue of its own beyond `kStdinBytesMax`: each end is woken (outside
// all locks) and pulls what it can send. Any thread.
//
//   agent ──append──▶ OutputLog ──read──▶ watchers (each with its own offset)
//   agent ◀──next_stdin── buffer ◀──put_stdin── the one writer;   taken and closed go back to it
//
// Stdin not yet taken by the program stays in the buffer, so that an agent that connects anew gets it again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/job.h"
#include "controller/rpc/output_log.h"

namespace devrun::controller {

inline constexpr size_t kChunkBytesMax = 256 << 10;
inline constexpr size_t kStdinBytesMax = 1 << 20;  // beyond what the program has taken
inline constexpr uint64_t kOutputWindowBytes = 4 << 20;
inline constexpr size_t kSignalsMax = 16;    // that wait for an agent
inline constexpr size_t kWatchersMax = 256;  // of one attempt

// An end of a channel. `moved` may come at any time from any thread and must not block.
class StreamEnd {
 public:
  virtual ~StreamEnd() = default;
  virtual void moved() = 0;
};

class Channel {
 public:
  Channel(AttemptKey key, std::string output_path);

  const AttemptKey& key() const { return key_; }

  // ── output ──
  OutputLog& output() { return output_; }
  // As OutputLog::append; wakes the watchers.
  Result<uint64_t> append_output(uint64_t offset, std::string_view data);
  Status watch(std::weak_ptr<StreamEnd> watcher);
  // Calls `stored` (once) when the log has `bytes`; at once if it has.
  void when_output_reaches(uint64_t bytes, std::function<void()> stored);

  // ── stdin: the writer's side ──
  void set_writer(const std::shared_ptr<StreamEnd>& writer);  // who that is: StreamHub
  Status put_stdin(uint64_t offset, std::string data, bool eof);
  struct StdinState {
    std::optional<uint64_t> taken;  // not known before an agent or a writer has said
    bool closed = false;
  };
  StdinState stdin_state();
  // Nothing has been taken yet, unless somebody has said otherwise.
  void stdin_begins();
  // Of an attempt that ended before it began: what it was sent (stdin, signals, a size), and is sent from now on, is the
  // next one's. Its writer has no need to know.
  void hand_on(const std::shared_ptr<Channel>& next);
  bool agent_is_connected();

  // ── stdin and the rest: the agent's side ──
  // The newest call of an agent wins.
  void connect_agent(const std::shared_ptr<StreamEnd>& agent);
  struct StdinPiece {
    uint64_t offset = 0;
    std::string data;
    bool eof = false;
  };
  // What follows `sent`; nullopt if there is nothing. `eof_sent` is kept by the caller.
  std::optional<StdinPiece> next_stdin(uint64_t sent, bool eof_sent);
  void stdin_taken(uint64_t offset);
  void stdin_closed();

  // ── from watchers to the agent ──
  void resize(TerminalSize size);
  Status signal(int32_t number);
  std::optional<TerminalSize> take_resize();
  std::optional<int32_t> take_signal();

 private:
  using Ends = std::vector<std::shared_ptr<StreamEnd>>;
  Ends watchers_locked();
  static void wake(const Ends& ends);
  void wake_agent();
  void wake_writer();
  void keep(std::string data);  // under mutex_

  const AttemptKey key_;
  OutputLog output_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<StreamEnd>> watchers_;
  std::weak_ptr<StreamEnd> writer_;
  std::weak_ptr<StreamEnd> agent_;
  uint64_t expected_bytes_ = 0;
  std::function<void()> stored_;
  // Stdin [base_, base_ + held_): what is in pieces_ but for the first skip_ bytes, which have been taken.
  std::optional<uint64_t> base_;
  std::deque<std::string> pieces_;  // none is empty
  size_t held_ = 0;
  size_t skip_ = 0;
  bool eof_ = false;
  bool closed_ = false;
  std::shared_ptr<Channel> heir_;  // of stdin
  std::optional<TerminalSize> resize_;
  std::deque<int32_t> signals_;
};

}  // namespace devrun::controller
