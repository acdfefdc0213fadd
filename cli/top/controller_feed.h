// The monitor's feed over a connection to the controller: one thread holds the Watch call and goes on where it was after a
// break, one reads the log that is open, one carries out what was asked, one reads a program's output. The only place where
// the monitor (tui/) and the client meet.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cli/client/controller.h"
#include "cli/top/errands.h"
#include "cli/top/log_reader.h"
#include "tui/term/monitor.h"

namespace devrun::cli {

class ControllerFeed : public tui::Feed {
 public:
  ControllerFeed(Controller& controller, bool all) : controller_(controller), all_(all) {}
  ~ControllerFeed() override { stop(); }

  void start(Post post) override;
  void perform(const tui::Command& command) override;
  void stop() override;

 private:
  // A program whose output is read; the thread ends soon after `stop`.
  struct Running {
    std::atomic<bool> stop = false;
    std::thread thread;
    std::atomic<bool> over = false;
  };

  void watch_until_stopped();
  void run_errand(const tui::Command& errand);
  void open_log(const tui::OpenLog& wish);
  void close_log();
  void run_for_text(const tui::RunForText& wish);
  void forget_ended();  // under mutex_
  bool stopping();

  Controller& controller_;
  const bool all_;
  Post post_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_ = false;
  std::shared_ptr<WatchStream> watch_;                // the call in progress
  std::vector<std::unique_ptr<LogReader>> readings_;  // the last one is open, the others are ending
  std::vector<std::unique_ptr<Running>> runs_;        // likewise

  std::thread watcher_;
  std::unique_ptr<Errands> errands_, slow_errands_;
};

}  // namespace devrun::cli
