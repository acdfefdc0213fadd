#include "cli/help/help.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

constexpr Option kOptions[] = {
    {.letter = 'g',
     .name = "gpus",
     .value = "N",
     .meaning = "GPUs on each node",
     .fallback = "0",
     .example = "-g 2"},
    {.name = "a-very-long-option-name",
     .value = "VALUE",
     .meaning = "something",
     .supported = false},
};
constexpr Example kExamples[] = {{"devrun go", "goes"}};

TEST(Help, OneCommand) {
  const Help help{.name = "go",
                  .usage = {"go A", "go B"},
                  .purpose = "to go",
                  .text = "Goes.",
                  .options = kOptions,
                  .examples = kExamples};
  EXPECT_EQ(render_help(help),
            "usage: devrun go A\n"
            "       devrun go B\n"
            "\n"
            "to go\n"
            "\n"
            "Goes.\n"
            "\n"
            "options:\n"
            "  -g, --gpus N                GPUs on each node; default: 0; example: -g 2\n"
            "      --a-very-long-option-name VALUE\n"
            "                              something (not in this version yet)\n"
            "\n"
            "examples:\n"
            "  devrun go\n"
            "      goes\n");
}

TEST(Help, Wrapping) {
  EXPECT_EQ(wrap("aa bb cc", 0, 5), "aa bb\ncc");
  EXPECT_EQ(wrap("aa bb cc", 2, 7), "aa bb\n  cc");
  EXPECT_EQ(wrap("a-word-longer-than-the-line x", 0, 5), "a-word-longer-than-the-line\nx");
}

}  // namespace
}  // namespace devrun::cli
