// Help is complete: every command of the contract is known, and every option says what it is for.
#include "cli/help/help.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands/command.h"
#include "cli/commands/dispatch.h"

namespace devrun::cli {
namespace {

TEST(Help, EveryCommandOfTheContractIsKnown) {
  const auto commands = all_commands();
  for (const std::string_view name :
       {"launch",     "ps",     "show",  "logs",         "attach", "exec",
        "wait",       "cancel", "cp",    "explain",      "rerun",  "diff",
        "changes",    "apply",  "undo",  "port-forward", "top",    "volume",
        "snapshot",   "shell",  "nodes", "up",           "down",   "doctor",
        "completion", "help",   "run",   "user",         "login",  "ssh-config"}) {
    EXPECT_EQ(
        std::ranges::count_if(commands, [&](const Command& c) { return c.help.name == name; }), 1)
        << name;
  }
}

TEST(Help, EveryRunOptionOfTheContractIsKnown) {
  const auto options = all_commands().front().help.options;
  for (const std::string_view name :
       {"gpus",        "cpus",     "memory",        "nodes",
        "pool",        "volume",   "name",          "detach",
        "no-stdin",    "env",      "chdir",         "tty",
        "no-tty",      "array",    "after",         "after-ok",
        "after-fail",  "priority", "time",          "signal",
        "retries",     "retry-on", "fresh",         "live",
        "keep",        "discard",  "on-disconnect", "wait-for-controller",
        "detach-keys", "json",     "quiet"}) {
    EXPECT_EQ(std::ranges::count(options, name, &Option::name), 1) << name;
  }
}

TEST(Help, EveryCommandSaysAll) {
  for (const Command& command : all_commands()) {
    const Help& help = command.help;
    EXPECT_FALSE(help.purpose.empty()) << help.name;
    EXPECT_FALSE(help.usage.empty()) << help.name;
    EXPECT_EQ(help.supported, command.parse != nullptr) << help.name;
    if (!help.supported) continue;
    EXPECT_FALSE(help.examples.empty()) << help.name;
    EXPECT_EQ(std::ranges::count(help.options, std::string_view("help"), &Option::name), 1)
        << help.name;
    for (const Option& option : help.options) {
      EXPECT_FALSE(option.meaning.empty()) << help.name << " " << option.name;
      EXPECT_NE(option.meaning.back(), '.') << help.name << " " << option.name;
      const bool needs_example = option.supported && !option.value.empty();
      EXPECT_TRUE(!needs_example || !option.example.empty()) << help.name << " " << option.name;
      EXPECT_EQ(std::ranges::count(help.options, option.name, &Option::name), 1)
          << help.name << " " << option.name;
      const auto letters = std::ranges::count(help.options, option.letter, &Option::letter);
      EXPECT_TRUE(option.letter == 0 || letters == 1) << help.name << " -" << option.letter;
    }
  }
}

// What an option shows as its example parses.
TEST(Help, ExamplesOfOptionsParse) {
  for (const Command& command : all_commands()) {
    for (const Option& option : command.help.options) {
      if (option.example.empty()) continue;
      std::vector<std::string> words;
      std::string_view rest = option.example;
      while (!rest.empty()) {
        const size_t blank = rest.find(' ');
        words.emplace_back(rest.substr(0, blank));
        rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
      }
      const auto parsed = parse_arguments(words, command.help.options, WordRule::kBetween);
      ASSERT_TRUE(parsed) << command.help.name << ": " << option.example;
      EXPECT_TRUE(parsed->has(option.name)) << command.help.name << ": " << option.example;
      EXPECT_TRUE(parsed->words.empty()) << command.help.name << ": " << option.example;
    }
  }
}

TEST(Help, LinesFitATerminal) {
  for (const Command& command : all_commands()) {
    const std::string text = render_help(command.help);
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      const auto width = std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; });
      EXPECT_LE(width, 112) << command.help.name << ": " << line;
      at = end + 1;
    }
  }
}

TEST(Help, CompletionsNameEveryOption) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    int out[2];
    ASSERT_EQ(::pipe(out), 0);
    Console console(out[1], 2);
    Context context{{}, console, 0};
    ASSERT_EQ(run_devrun({"completion", shell}, context), 0);
    ::close(out[1]);
    std::string text(1 << 16, '\0');
    text.resize(
        static_cast<size_t>(std::max<ssize_t>(::read(out[0], text.data(), text.size()), 0)));
    ::close(out[0]);
    for (const std::string_view word :
         {"detach-keys", "from-debootstrap", "purge", "completion", "after-fail"}) {
      EXPECT_NE(text.find(word), std::string::npos) << shell << " " << word;
    }
  }
}

}  // namespace
}  // namespace devrun::cli
