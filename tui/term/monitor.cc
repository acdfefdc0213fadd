#include "tui/term/monitor.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "tui/model/model.h"
#include "tui/term/mailbox.h"
#include "tui/term/terminal.h"
#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kFrame = std::chrono::milliseconds(33);  // 30 frames a second at most
constexpr auto kTick = std::chrono::seconds(1);
// How long a terminal may take to say that it shows a question; one that never says so has shown it by then.
constexpr auto kShownWithin = std::chrono::seconds(1);

// The controller's clock goes on between pushes.
class Ages {
 public:
  void pushed(Time now) {
    base_ = now;
    since_ = Clock::now();
  }
  Time now() const {
    if (base_.us == 0) return {};
    return base_ +
           Duration{std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since_)
                        .count()};
  }

 private:
  Time base_;
  Clock::time_point since_;
};

class Loop {
 public:
  Loop(Terminal& terminal, Feed& feed, Model& model, Mailbox& mailbox,
       const MonitorOptions& options)
      : terminal_(terminal), feed_(feed), model_(model), mailbox_(mailbox), options_(options) {}

  void run() {
    take(terminal_.size());
    while (!quit_) {
      draw_if_due();
      wait();
      if (terminal_.stop_if_asked()) take(terminal_.size());
      for (Event& event : mailbox_.take()) take(event);
      while (const auto event = terminal_.next_event()) take(*event);
      if (asked_ && Clock::now() - *asked_ >= kShownWithin) take(QuestionShown{});
      if (Clock::now() - last_tick_ >= kTick) tick();
    }
  }

 private:
  void take(const Event& event) {
    if (const auto* pushed = std::get_if<Pushed>(&event)) ages_.pushed(pushed->now);
    if (std::holds_alternative<QuestionShown>(event)) asked_.reset();
    std::vector<Command> commands;
    apply(model_, event, commands);
    for (const Command& command : commands) perform(command);
    stale_ = true;
  }

  void perform(const Command& command) {
    if (std::holds_alternative<Quit>(command)) {
      quit_ = true;
    } else if (const auto* text = std::get_if<CopyText>(&command)) {
      terminal_.copy(text->text);
    } else if (const auto* run = std::get_if<RunInTerminal>(&command)) {
      terminal_.give_away();
      if (options_.run_in_terminal) options_.run_in_terminal(run->words);
      terminal_.take_back();
    } else if (std::holds_alternative<Redraw>(command)) {
      terminal_.redraw();
    } else if (std::holds_alternative<Suspend>(command)) {
      terminal_.stop();
      take(terminal_.size());
    } else {
      feed_.perform(command);
    }
  }

  void tick() {
    last_tick_ = Clock::now();
    if (const auto pasted = terminal_.end_silent_paste()) take(*pasted);
    const Resized size = terminal_.size();  // a resize that came without a signal
    if (size.rows != model_.rows || size.columns != model_.columns) take(size);
    take(Ticked{ages_.now()});
  }

  void draw_if_due() {
    if (!stale_ || Clock::now() - last_frame_ < kFrame) return;
    settle(model_);
    Canvas canvas = draw(model_);
    if (const size_t rows = canvas.rows_in_all(); rows != 0 && rows != model_.job_rows) {
      std::vector<Command> none;
      const size_t top = model_.job_top;
      apply(model_, JobDrawn{rows}, none);
      if (model_.job_top != top) canvas = draw(model_);  // it has become shorter
    }
    terminal_.paint(std::move(canvas));
    last_frame_ = Clock::now();
    stale_ = false;
    if (!model_.question || model_.question->shown || asked_) return;
    terminal_.ask_when_shown();
    asked_ = Clock::now();
  }

  void wait() {
    const auto timeout =
        stale_ ? kFrame : std::chrono::duration_cast<std::chrono::milliseconds>(kTick);
    std::array<pollfd, 3> sources{pollfd{STDIN_FILENO, POLLIN, 0},
                                  pollfd{mailbox_.descriptor(), POLLIN, 0},
                                  pollfd{terminal_.stop_descriptor(), POLLIN, 0}};
    ::poll(sources.data(), sources.size(), static_cast<int>(timeout.count()));
    // A terminal that has gone would be readable for ever.
    if ((sources[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) quit_ = true;
  }

  Terminal& terminal_;
  Feed& feed_;
  Model& model_;
  Mailbox& mailbox_;
  const MonitorOptions& options_;
  Ages ages_;
  bool quit_ = false;
  bool stale_ = true;
  std::optional<Clock::time_point> asked_;  // the terminal, whether it shows the question
  Clock::time_point last_frame_{};
  Clock::time_point last_tick_{};
};

}  // namespace

Status run_monitor(Feed& feed, const MonitorOptions& options) {
  const std::unique_ptr<Terminal> terminal = TRY(Terminal::open(options.terminal));
  Model model;
  model.ascii = terminal->ascii_only();
  model.read_only = options.read_only;
  model.filter = options.filter;
  Mailbox mailbox;
  feed.start([&mailbox](Event event) { mailbox.post(std::move(event)); });
  Loop(*terminal, feed, model, mailbox, options).run();
  mailbox.close();
  feed.stop();
  return ok();
}

}  // namespace devrun::tui
