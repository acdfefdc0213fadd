// Events from the feed's threads, waiting for the one loop. Bounded by what they weigh, so that little piles up while another
// program has the terminal: a feed that posts more waits in post(), and who sends to it keeps the newest state alone.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "tui/model/event.h"

namespace devrun::tui {

// In rows of jobs, about: 100 bytes of output weigh as much as one.
inline constexpr size_t kPostedWeightMax = 30'000;

class Mailbox {
 public:
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  int descriptor() const { return wake_; }  // readable while something waits

  // Any thread. Waits while there is more than enough; one that is too heavy for an empty box goes in.
  void post(Event event);
  std::deque<Event> take();
  void close();  // what is posted from now on, or waits to be, is dropped

 private:
  const int wake_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Event> events_;
  size_t weight_ = 0;
  bool closed_ = false;
};

size_t weight_of(const Event& event);

}  // namespace devrun::tui
