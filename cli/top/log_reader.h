// A part of an output log for the monitor, read on a thread of its own: up to its end, which is followed, or up to a byte. When
// the connection breaks it says so, and goes on at the very byte once the controller is back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "cli/client/controller.h"
#include "tui/model/event.h"

namespace devrun::cli {

class LogReader {
 public:
  // Begins at once. `post` is called on the thread and may wait.
  LogReader(Controller& controller, const tui::OpenLog& wish, std::function<void(tui::Event)> post);
  // Waits for the thread: after stop(), unless it is over.
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  void stop();  // any thread; it ends soon, and may still post
  bool over() const { return over_; }

 private:
  enum class How { kEnded, kBroke };

  void run();
  How read_once();
  // False: there is no more to read.
  bool take(AttachNews&& news, AttachStream& stream);
  void fail(const std::string& why);
  std::shared_ptr<AttachStream> open();

  Controller& controller_;
  const tui::OpenLog wish_;
  const std::function<void(tui::Event)> post_;

  // The thread's alone.
  uint64_t next_;  // of the log, the byte that is wanted next
  bool told_away_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<AttachStream> stream_;  // the call in progress
  bool stopping_ = false;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace devrun::cli
