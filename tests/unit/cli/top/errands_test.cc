// Errands: one after the other, no question twice, and what changes something first.
#include "cli/top/errands.h"

#include <gtest/gtest.h>

#include <future>

namespace devrun::cli {
namespace {

TEST(Errands, WhatChangesSomethingGoesFirstInItsOrder) {
  std::promise<void> go;
  std::promise<void> begun;
  std::promise<void> done;
  std::vector<std::string> ran;
  Errands errands([&](const tui::Command& command) {
    if (std::holds_alternative<tui::FetchVolumes>(command)) {
      begun.set_value();
      go.get_future().wait();
    }
    if (const auto* job = std::get_if<tui::FetchJob>(&command))
      ran.push_back("job " + std::to_string(job->job));
    if (const auto* cancel = std::get_if<tui::CancelJob>(&command))
      ran.push_back("cancel " + to_string(cancel->task));
    if (std::holds_alternative<tui::FetchQueue>(command)) done.set_value();
  });
  errands.add(tui::FetchVolumes{});
  begun.get_future().wait();
  for (const JobId job : {1, 2, 1, 2, 2}) errands.add(tui::FetchJob{job});
  errands.add(tui::CancelJob{{7, kNoTask}});
  errands.add(tui::CancelJob{{8, 3}});
  errands.add(tui::FetchQueue{});
  go.set_value();
  done.get_future().wait();
  errands.stop();
  EXPECT_EQ(ran, (std::vector<std::string>{"cancel 7", "cancel 8_3", "job 1", "job 2"}));
}

TEST(Errands, StoppingWaitsForWhatIsUnderWay) {
  std::promise<void> begun;
  std::promise<void> go;
  bool done = false;
  Errands errands([&](const tui::Command& command) {
    if (!std::holds_alternative<tui::FetchQueue>(command)) return;
    begun.set_value();
    go.get_future().wait();
    done = true;
  });
  errands.add(tui::FetchQueue{});
  begun.get_future().wait();
  errands.add(tui::FetchVolumes{});
  std::thread letting_go([&] { go.set_value(); });
  errands.stop();
  EXPECT_TRUE(done);
  letting_go.join();
}

}  // namespace
}  // namespace devrun::cli
