#include "cli/commands/watch_jobs.h"

#include <sys/ioctl.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "cli/commands/watched_list.h"

namespace devrun::cli {

namespace {

constexpr auto kListEvery = std::chrono::milliseconds(150);  // at most
constexpr auto kAgesEvery = std::chrono::seconds(1);         // on a terminal, where they are shown
constexpr auto kRetryPause = std::chrono::milliseconds(250);

// More than these are asked for as a whole list.
constexpr size_t kByNumberMax = 500;
static_assert(kByNumberMax <= kJobsByNumberMax);

// What has happened since it was asked last.
struct Changed {
  bool any = false;
  bool whole = false;  // everything may be different
  std::set<JobId> jobs = {};
};

// Reads the stream on a thread of its own and says what it is about.
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
  // Waits for something, at most so long.
  Changed wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [this] { return news_.any; });
    return std::exchange(news_, {});
  }

 private:
  void note(const WatchNews& news) {
    const std::lock_guard lock(mutex_);
    news_.any = true;
    news_.whole = news_.whole || news.whole;
    for (const JobRecord& job : news.jobs) news_.jobs.insert(job.job);
    news_.jobs.insert(news.gone.begin(), news.gone.end());
    if (news_.jobs.size() > kByNumberMax) news_.whole = true;
    if (news_.whole) news_.jobs.clear();
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
        note(*news);
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
  Changed news_{true, true};  // the first list
  bool stopping_ = false;
  std::shared_ptr<WatchStream> stream_;
  std::thread thread_;
};

// Lines of the terminal, but for the last, where the cursor stays.
size_t rows_of(int terminal) {
  winsize size{};
  const bool known = ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
  return known ? size.ws_row - 1U : 1000U;
}

// In place: from the first line on, each cut at the terminal's edge, and nothing below.
std::string in_place(const std::string& text) {
  std::string out = "\x1b[?7l\x1b[H";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += text.substr(at, end - at) + "\x1b[K\n";
    at = end + 1;
  }
  return out + "\x1b[J\x1b[?7h";
}

class Watching {
 public:
  Watching(Controller& controller, const ListWatch& watch, Context& context)
      : controller_(controller),
        watch_(watch),
        context_(context),
        changes_(controller, watch.query.all || !watch.query.user.empty(), context.console),
        rows_(watch.query.limit) {}

  Result<int> run() {
    for (;;) {
      const Changed changed = changes_.wait(kAgesEvery);
      whole_ = whole_ || changed.whole;
      due_.insert(changed.jobs.begin(), changed.jobs.end());
      const Status asked = ask();
      if (!asked) {
        // A controller that is away is waited for, once it was there; anything else is the user's to know.
        if (!listed_ || asked.error().code != Code::kUnavailable) return asked.error();
        std::this_thread::sleep_for(kRetryPause);
        continue;
      }
      if (watch_.all) TRY(show());
      if (changed.any) std::this_thread::sleep_for(kListEvery);
    }
  }

 private:
  Status ask() {
    if (!whole_ && due_.size() > kByNumberMax) whole_ = true;
    if (!whole_ && due_.empty()) return ok();
    JobQuery query = watch_.query;
    if (!whole_) query.jobs.assign(due_.begin(), due_.end());
    JobList answer = TRY(controller_.list_jobs(query));
    if (!watch_.all) TRY(tell(answer));
    if (whole_) {
      rows_.replace(std::move(answer));
    } else {
      for (const JobId id : query.jobs) {
        const auto same = [id](const JobRecord& job) { return job.job == id; };
        if (std::ranges::none_of(answer.jobs, same)) told_.erase(id);
      }
      rows_.update(query.jobs, std::move(answer));
    }
    due_.clear();
    whole_ = rows_.is_short();  // older ones come in
    listed_ = true;
    return ok();
  }

  // On a terminal, where ages are shown, also if nothing has changed.
  Status show() {
    const std::string clear = std::exchange(cleared_, true) ? "" : "\x1b[2J";
    const size_t rows = rows_of(context_.console.out());
    return context_.console.data(clear + in_place(in_rows(rows_.list(), rows, watch_.all)));
  }

  Status tell(const JobList& jobs) {
    for (const JobRecord& job : jobs.jobs) {
      std::string line = watch_.one(job);
      std::string& before = told_[job.job];
      if (before == line) continue;
      TRY(context_.console.data(line));
      before = std::move(line);
    }
    return ok();
  }

  Controller& controller_;
  const ListWatch& watch_;
  Context& context_;
  Changes changes_;
  WatchedList rows_;
  std::map<JobId, std::string> told_;
  std::set<JobId> due_;  // to be asked for
  bool whole_ = false;   // everything is to be asked for
  bool listed_ = false;
  bool cleared_ = false;
};

}  // namespace

Result<int> watch_jobs(Controller& controller, const ListWatch& watch, Context& context) {
  return Watching(controller, watch, context).run();
}

}  // namespace devrun::cli
