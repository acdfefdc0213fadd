// `devrun top`: the monitor (tui/) over a connection to the controller.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands/connect.h"
#include "cli/top/controller_feed.h"
#include "cli/top/own_program.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kText =
    "Jobs, nodes, the queue, volumes and their snapshots as they change, pushed by the controller; "
    "one job\n"
    "in full, with what it uses; its output, followed.\n"
    "Press ? for the keys of a screen. If the controller goes away it says so, and goes on when it "
    "is back.";

constexpr Option kOptions[] = {
    {.letter = 'a',
     .name = "all",
     .value = {},
     .meaning = "other users' jobs too, for administrators",
     .fallback = "one's own",
     .example = {}},
    {.letter = {},
     .name = "readonly",
     .value = {},
     .meaning = "no key changes anything",
     .fallback = {},
     .example = {}},
    {.name = "no-mouse", .meaning = "leave the mouse to the terminal", .example = "--no-mouse"},
    {.name = "ascii",
     .meaning = "draw without characters beyond ASCII",
     .fallback = "if the terminal has no UTF-8",
     .example = "--ascii"},
    {.name = "light",
     .meaning = "colours for a light background",
     .fallback = "if COLORFGBG says so",
     .example = "--light"},
    kHelpOption,
};
constexpr Example kExamples[] = {{"devrun top", "then j, k, Enter, l, /, Tab and ?"},
                                 {"devrun top train state:run", "beginning with a filter"}};

Result<int> top(bool all, const tui::MonitorOptions& options, Context& context) {
  const auto controller = TRY(controller_of(context));
  ControllerFeed feed(*controller, all);
  TRY(tui::run_monitor(feed, options));
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  const bool all = arguments.has("all");
  const tui::MonitorOptions options{.read_only = arguments.has("readonly"),
                                    .terminal = {.mouse = !arguments.has("no-mouse"),
                                                 .ascii = arguments.has("ascii"),
                                                 .light = arguments.has("light")},
                                    .filter = fmt::format("{}", fmt::join(arguments.words, " ")),
                                    .run_in_terminal = run_own_in_terminal};
  return Action([=](Context& context) { return top(all, options, context); });
}

}  // namespace

Command top_command() {
  return {{.name = "top",
           .usage = {"top [--all] [--readonly] [--no-mouse] [--ascii] [--light] [WORD…]"},
           .purpose = "the monitor",
           .text = kText,
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
