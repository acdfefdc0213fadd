#include "cli/commands/watch_jobs.h"

#include <sys/ioctl.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace devrun::cli {

namespace {

constexpr auto kListEvery = std::chrono::milliseconds(150);  // at most
constexpr auto kAgesEvery = std::chrono::seconds(1);         // on a terminal, where they are shown
constexpr auto kRetryPause = std::chrono::milliseconds(250);

// Reads the stream on a thread of its own and says whether something has come.
class Changes {
 public:
  Changes(Controller& controller, bool all, Console& console)
      : controller_(controller), console_(console), wish_{.all = all} {
    thread_ = std::thread([this] { run(); });
  }
  ~Changes() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (stream_) stream_->cancel();
    }
    changed_.notify_all();
    thread_.join();
  }
  // False: nothing came for so long.
  bool wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, at_most, [this] { return news_; });
    news_ = false;
    return came;
  }

 private:
  void note() {
    const std::lock_guard lock(mutex_);
    news_ = true;
    changed_.notify_all();
  }
  bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }
  void run() {
    bool said = false;
    while (!stopping()) {
      std::shared_ptr<WatchStream> stream = controller_.watch(wish_);
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) stream->cancel();
        stream_ = stream;
      }
      while (const auto news = stream->read()) {
        wish_.epoch = news->epoch;
        wish_.sequence = news->sequence;
        said = false;
        note();
      }
      const Status ended = stream->finish();
      if (stopping()) return;
      if (!said && !ended) console_.say(ended.error().message + "; trying again");
      said = true;
      if (controller_.wait_connected(kRetryPause)) std::this_thread::sleep_for(kRetryPause);
    }
  }

  Controller& controller_;
  Console& console_;
  WatchWish wish_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = true;  // the first list
  bool stopping_ = false;
  std::shared_ptr<WatchStream> stream_;
  std::thread thread_;
};

// In place: from the first line on, each cut at the terminal's edge, and nothing below.
std::string in_place(const std::string& text, int terminal) {
  winsize size{};
  const bool known = ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
  const int rows = known ? size.ws_row - 1 : 1000;
  std::string out = "\x1b[?7l\x1b[H";
  int row = 0;
  for (size_t at = 0; at < text.size() && row < rows; ++row) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += text.substr(at, end - at) + "\x1b[K\n";
    at = end + 1;
  }
  return out + "\x1b[J\x1b[?7h";
}

}  // namespace

Result<int> watch_jobs(Controller& controller, const ListWatch& watch, Context& context) {
  Changes changes(controller, watch.query.all || !watch.query.user.empty(), context.console);
  std::map<JobId, std::string> shown;
  bool listed = false;
  for (;;) {
    const bool came = changes.wait(kAgesEvery);
    if (!came && !watch.all) continue;
    const Result<JobList> jobs = controller.list_jobs(watch.query);
    if (!jobs) {
      // A controller that is away is waited for, once it was there; anything else is the user's to know.
      if (!listed || jobs.error().code != Code::kUnavailable) return jobs.error();
      std::this_thread::sleep_for(kRetryPause);
      continue;
    }
    if (watch.all) {
      const std::string clear = listed ? "" : "\x1b[2J";
      TRY(context.console.data(clear + in_place(watch.all(*jobs), context.console.out())));
    } else {
      for (const JobRecord& job : jobs->jobs) {
        std::string line = watch.one(job);
        if (std::string& before = shown[job.job]; before != line) {
          TRY(context.console.data(line));
          before = std::move(line);
        }
      }
    }
    listed = true;
    std::this_thread::sleep_for(kListEvery);
  }
}

}  // namespace devrun::cli
