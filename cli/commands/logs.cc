// `devrun logs`: a job's output, also of one that has ended.
#include <fmt/format.h>

#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "cli/client/record_decoder.h"
#include "cli/commands/connect.h"
#include "cli/output/ending_text.h"
#include "cli/output/line_prefixer.h"

namespace devrun::cli {

namespace {

constexpr size_t kTailBytesMax = 64 << 20;

constexpr Option kOptions[] = {
    {.letter = 'f', .name = "follow", .meaning = "go on until the job has ended", .example = "-f"},
    {.name = "tail",
     .value = "N",
     .meaning = "begin with the last N lines",
     .fallback = "all",
     .example = "--tail 20"},
    {.name = "since",
     .value = "T",
     .meaning = "only what was written since then: a span before now (10m), or a time in UTC "
                "(2026-11-21T08:00, 08:00; one still to come today is yesterday's)",
     .example = "--since 10m"},
    kRankOption,
    {.name = "stdout", .meaning = "only stdout"},
    {.name = "stderr", .meaning = "only stderr"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun logs 42", "all output, stdout to stdout and stderr to stderr"},
    {"devrun logs -f --tail 20 42", "the last 20 lines, then live"}};

struct LogWish {
  AttemptKey key;
  bool all_ranks = true;
  bool follow = false;
  bool out = true;
  bool err = true;
  std::optional<size_t> tail;
  Time since = {};

  // Nothing: from the beginning.
  std::optional<LogBegin> begin() const {
    if (!tail && since.us == 0) return std::nullopt;
    return LogBegin{tail, since, out, err, tail ? kTailBytesMax : 0};
  }
  uint32_t attempt = 0;  // 0: the newest
};

// Writes one rank's pieces; with a tail it holds lines back until `live_from`, the log's length
// when we were called.
class RankLog {
 public:
  RankLog(const LogWish& wish, const Console& console, std::mutex& mutex, std::string prefix)
      : wish_(wish),
        console_(console),
        mutex_(mutex),
        out_(prefix),
        err_(prefix),
        prefixed_(!prefix.empty()),
        holding_(wish.tail.has_value()) {}

  Status feed(const LogPiece& piece) {
    if (attempt_ != 0 && piece.attempt > attempt_) {
      missing_ = piece.missing_before;
      TRY(finish());
      decoder_ = {};
      console_.say(fmt::format("attempt {} begins", piece.attempt));
    }
    attempt_ = piece.attempt;
    missing_ = piece.missing;
    return feed(piece.offset, piece.bytes);
  }
  Status feed(uint64_t offset, std::string_view bytes) {
    if (!began_) decoder_.begin_at(offset);
    began_ = true;
    if (offset != decoder_.offset()) {
      return Error{
          Code::kCorrupt,
          fmt::format("the log continues at byte {} after byte {}", offset, decoder_.offset()),
          {}};
    }
    return decoder_.feed(bytes, [this](const OutputPiece& piece) { return take(piece); });
  }
  uint64_t offset() const { return decoder_.offset(); }
  bool began() const { return began_; }
  uint32_t attempt() const { return attempt_; }

  Status release() {
    holding_ = false;
    for (const Held& held : held_) TRY(pass(held.stream, held.bytes));
    held_.clear();
    return ok();
  }

  Status finish() {
    if (holding_) TRY(release());
    TRY(write(OutputStream::kStdout, out_.finish()));
    TRY(write(OutputStream::kStderr, err_.finish()));
    if (missing_ != 0) console_.say(missing_output_words(missing_));
    return ok();
  }

 private:
  struct Held {
    OutputStream stream;
    std::string bytes;  // a line, or the part of one that a piece held
  };

  Status take(const OutputPiece& piece) {
    if (piece.stream == OutputStream::kStdout && !wish_.out) return ok();
    if (piece.stream == OutputStream::kStderr && !wish_.err) return ok();
    if (piece.at_us < wish_.since.us) return ok();
    if (piece.stream == OutputStream::kMark) {
      console_.say(piece.bytes);
      return ok();
    }
    if (!holding_) return pass(piece.stream, piece.bytes);
    hold(piece.stream, piece.bytes);
    return ok();
  }

  void hold(OutputStream stream, std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t newline = bytes.find('\n');
      const size_t n = newline == std::string_view::npos ? bytes.size() : newline + 1;
      held_.push_back({stream, std::string(bytes.substr(0, n))});
      held_bytes_ += n;
      if (newline != std::string_view::npos) ++held_lines_;
      bytes.remove_prefix(n);
      drop_oldest();
    }
  }

  bool ends_line(const Held& held) const { return held.bytes.ends_with('\n'); }

  void drop_oldest() {
    const auto too_many = [this] {
      // A last line without its end counts, too.
      const size_t open = held_.empty() || ends_line(held_.back()) ? 0 : 1;
      return held_lines_ + open > *wish_.tail || held_bytes_ > kTailBytesMax;
    };
    while (!held_.empty() && too_many()) {
      if (ends_line(held_.front())) --held_lines_;
      held_bytes_ -= held_.front().bytes.size();
      held_.pop_front();
    }
  }

  Status pass(OutputStream stream, std::string_view bytes) {
    if (!prefixed_) return write(stream, bytes);
    return write(stream, stream == OutputStream::kStdout ? out_.feed(bytes) : err_.feed(bytes));
  }

  Status write(OutputStream stream, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    if (stream == OutputStream::kStdout) return console_.data(bytes);
    console_.say_plain(bytes);
    return ok();
  }

  const LogWish& wish_;
  const Console& console_;
  std::mutex& mutex_;
  LinePrefixer out_;
  LinePrefixer err_;
  bool prefixed_;
  bool holding_;
  bool began_ = false;
  RecordDecoder decoder_;
  uint32_t attempt_ = 0;  // whose output is being read
  uint64_t missing_ = 0;  // of it, at its end
  std::deque<Held> held_;
  size_t held_lines_ = 0;
  size_t held_bytes_ = 0;
};

constexpr auto kLookUpEvery = std::chrono::milliseconds(500);

// With a tail and -f: what there is now decides which lines are the last; then on from there.
Status read_rank(Controller& controller, const LogWish& wish, LogQuery query, RankLog& log) {
  const auto feed = [&](const LogPiece& piece) { return log.feed(piece); };
  if (wish.tail && wish.follow) {
    query.follow = false;
    TRY(controller.read_log(query, feed));
    TRY(log.release());
    if (log.began()) {
      query.offset = log.offset();
      query.attempt = log.attempt();
      query.begin.reset();
    }
    query.follow = true;
  }
  for (;;) {
    const Status read = controller.read_log(query, feed);
    if (read) return log.finish();
    if (!query.follow || read.error().code != Code::kUnavailable) return read;
    // The job goes on without the controller: so does whoever follows it, at the right byte.
    while (!controller.wait_connected(kLookUpEvery)) continue;
    if (!log.began()) continue;
    query.offset = log.offset();
    query.begin.reset();
    query.attempt = log.attempt();
  }
}

Result<int> logs(const LogWish& wish, Context& context) {
  const auto controller = TRY(controller_of(context));
  JobRecord job = TRY(controller->get_job(wish.key.job));
  // A job that ended with its setup has no other output.
  const bool ended_by_setup = job.attempts.empty() && is_final(job.state) && job.setup;
  if (ended_by_setup && job.setup->how != SetupHow::kHit) {
    context.console.say(
        fmt::format("what follows is the output of its setup, job {}", job.setup->run));
    LogWish of_setup = wish;
    of_setup.key = {job.setup->run, kNoTask, 0, 0};
    return logs(of_setup, context);
  }
  const uint32_t ranks = wish.all_ranks ? job.spec.nodes : 1;
  std::mutex mutex;
  std::vector<Status> statuses(ranks, ok());
  const auto one = [&](uint32_t index) {
    LogQuery query{
        .what = wish.key, .follow = wish.follow, .begin = wish.begin(), .attempt = wish.attempt};
    if (wish.all_ranks) query.what.rank = index;
    RankLog log(wish, context.console, mutex, ranks > 1 ? fmt::format("[{}] ", index) : "");
    statuses[index] = read_rank(*controller, wish, query, log);
  };
  if (ranks == 1 || !wish.follow) {
    for (uint32_t rank = 0; rank < ranks; ++rank) one(rank);
  } else {
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < ranks; ++rank) threads.emplace_back(one, rank);
    for (std::thread& thread : threads) thread.join();
  }
  for (Status& status : statuses) TRY(std::move(status));
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  LogWish wish;
  wish.key = TRY(one_job(arguments));
  if (arguments.words.front().find('#') != std::string::npos) wish.attempt = wish.key.attempt;
  wish.follow = arguments.has("follow");
  const bool only_out = arguments.has("stdout");
  const bool only_err = arguments.has("stderr");
  wish.out = only_out || !only_err;
  wish.err = only_err || !only_out;
  if (const auto tail = arguments.value("tail")) wish.tail = TRY(line_count(*tail));
  if (const auto since = arguments.value("since")) wish.since = TRY(since_when(*since));
  if (const auto rank = TRY(chosen_rank(arguments, wish.key))) {
    wish.key.rank = *rank;
    wish.all_ranks = false;
  }
  return Action([=](Context& context) { return logs(wish, context); });
}

}  // namespace

Command logs_command() {
  return {{.name = "logs",
           .usage = {"logs [-f] [--tail N] [--since T] [--rank R] [--stdout|--stderr] JOB"},
           .purpose = "a job's output, also after it has ended",
           .text = "The job's stdout goes to stdout and its stderr to stderr. With several ranks "
                   "each line begins with [RANK].",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
