// `devrun top`: the monitor (tui/) over a connection to the controller.
#include "cli/commands/connect.h"
#include "cli/top/controller_feed.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kText =
    "The jobs and their states as they change, pushed by the controller; one job in full; its "
    "output, followed.\n"
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
    kHelpOption,
};
constexpr Example kExamples[] = {{"devrun top", "then j, k, Enter, l, / and ?"}};

Result<int> top(bool all, const tui::MonitorOptions& options, Context& context) {
  const auto controller = TRY(controller_of(context));
  ControllerFeed feed(*controller, all);
  TRY(tui::run_monitor(feed, options));
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  TRY(no_words(arguments));
  const bool all = arguments.has("all");
  const tui::MonitorOptions options{.read_only = arguments.has("readonly")};
  return Action([=](Context& context) { return top(all, options, context); });
}

}  // namespace

Command top_command() {
  return {{.name = "top",
           .usage = {"top [--all] [--readonly]"},
           .purpose = "the monitor",
           .text = kText,
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
