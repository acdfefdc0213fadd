// Every screen against its golden text. `DEVRUN_UPDATE_GOLDEN=1` writes them anew; read the difference before committing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

std::string golden_path(const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::path(DEVRUN_SOURCE_FOLDER) / "tests/unit/tui/view";
  return (folder / "golden" / (name + ".txt")).string();
}

void expect_golden(const std::string& name, const Model& model) {
  const std::string drawn = draw(model).text();
  const std::string path = golden_path(name);
  if (std::getenv("DEVRUN_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << drawn;
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path << " is missing";
  std::stringstream golden;
  golden << in.rdbuf();
  EXPECT_EQ(drawn, golden.str()) << name;
}

struct Size {
  int rows;
  int columns;
  std::string name;
};

class Screens : public testing::TestWithParam<Size> {
 protected:
  Model model_;
  std::string named(const std::string& screen) { return screen + "_" + GetParam().name; }
  void start() {
    update(model_, Resized{GetParam().rows, GetParam().columns});
    update(model_, sample_cluster());
  }
};

TEST_P(Screens, Connecting) {
  update(model_, Resized{GetParam().rows, GetParam().columns});
  expect_golden(named("connecting"), model_);
}

TEST_P(Screens, Jobs) {
  start();
  expect_golden(named("jobs"), model_);
}

TEST_P(Screens, ControllerAway) {
  start();
  update(model_, ConnectionLost{"the controller does not answer; trying again"});
  expect_golden(named("away"), model_);
}

TEST_P(Screens, Filtered) {
  start();
  type(model_, "/state:run");
  expect_golden(named("filtering"), model_);
}

TEST_P(Screens, Job) {
  start();
  type(model_, "Gkkk\r");
  update(model_, SeriesFetched{41, sample_series()});
  expect_golden(named("job"), model_);
}

TEST_P(Screens, ArrayFoldedOut) {
  start();
  type(model_, "Gkkz");
  update(model_, JobFetched{sample_array_details()});
  expect_golden(named("array"), model_);
}

TEST_P(Screens, MarkedAndAskedAbout) {
  start();
  type(model_, "  x");
  expect_golden(named("confirm"), model_);
}

TEST_P(Screens, Help) {
  start();
  type(model_, "?");
  expect_golden(named("help"), model_);
}

TEST_P(Screens, Log) {
  start();
  type(model_, "l");
  std::string bytes;
  for (int i = 1; i <= 100; ++i) {
    std::string text = "epoch " + std::to_string(i) + " loss " + std::to_string(100 - i) + "\n";
    std::string header(16, '\0');
    header[0] = i % 10 == 0 ? 2 : 1;
    header[4] = static_cast<char>(text.size());
    bytes += header + text;
  }
  update(model_, LogBytes{model_.log.of, bytes, false});
  expect_golden(named("log"), model_);
}

TEST_P(Screens, Nodes) {
  start();
  type(model_, "2");
  expect_golden(named("nodes"), model_);
}

TEST_P(Screens, Queue) {
  start();
  type(model_, "3");
  update(model_, QueueFetched{
                     {{43, 1, "needs 64 cores on one node: the largest has 2 (node1)", {}, true, 0},
                      {0, 2, "", {}, false, 0},
                      {41, 3, "waits for room", {1'185'000'000}, false, 5}},
                     3});
  expect_golden(named("queue"), model_);
}

TEST_P(Screens, VolumesAndSnapshots) {
  start();
  type(model_, "4");
  update(model_,
         VolumesFetched{{{"main", "ada", 12, 56'000, int64_t{3} << 30, 0, {1'120'000'000}, ""},
                         {"old", "eve", 0, 0, 0, 0, {}, "its newest tree is damaged"}},
                        ""});
  expect_golden(named("volumes"), model_);
  type(model_, "\r");
  update(
      model_,
      SnapshotsFetched{
          "main",
          {{12, "0123456789ab", {1'120'000'000}, 56'000, int64_t{3} << 30, 4096, "", false, {43}},
           {11,
            "ba9876543210",
            {1'000'000'000},
            55'990,
            int64_t{3} << 30,
            1 << 20,
            "before the upgrade",
            true,
            {}}},
          ""});
  type(model_, " ");
  expect_golden(named("snapshots"), model_);
}

TEST_P(Screens, Text) {
  start();
  type(model_, "d");
  update(model_, TextFetched{1, "A /root/proj/new.py\nM /root/proj/train.py\nD /root/proj/old.py\n",
                             true, 0});
  expect_golden(named("text"), model_);
}

TEST_P(Screens, Command) {
  start();
  type(model_, ":so");
  expect_golden(named("command"), model_);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Screens,
                         testing::Values(Size{24, 80, "80x24"}, Size{50, 160, "160x50"},
                                         Size{100, 300, "300x100"}),
                         [](const auto& chosen) { return "s" + chosen.param.name; });

TEST(ScreenSizes, AnyInAnyStateIsDrawn) {
  for (const bool connected : {false, true}) {
    for (int screen = 0; screen <= static_cast<int>(Screen::kText); ++screen) {
      for (int overlay = 0; overlay < 5; ++overlay) {
        Model model;
        if (connected) update(model, sample_cluster());
        if (!connected) update(model, ConnectionLost{"cannot reach the controller at somewhere"});
        model.screen = static_cast<Screen>(screen);
        model.showing_help = overlay == 1;
        if (overlay == 2) model.prompt.kind = Prompt::Kind::kFilter;
        if (overlay == 3) model.question = {"Cancel job 41?", {}};
        if (overlay == 4) model.prompt.kind = Prompt::Kind::kCommand;
        for (const int rows : {1, 2, 3, 4, 9}) {
          for (const int columns : {1, 2, 3, 7, 20, 81}) {
            update(model, Resized{rows, columns});
            const Canvas canvas = draw(model);
            EXPECT_EQ(canvas.rows(), rows);
            EXPECT_EQ(canvas.columns(), columns);
          }
        }
      }
    }
  }
}

TEST(Ascii, EveryGlyphHasAPlainOneAsWide) {
  Model model;
  update(model, Resized{50, 160});
  update(model, sample_cluster());
  for (const char* keys : {"", "z", " ", "2", "1\r"}) {
    type(model, keys);
    const Canvas canvas = draw(model);
    for (int row = 0; row < canvas.rows(); ++row) {
      for (int x = 0; x < canvas.columns(); ++x) {
        const std::string& glyph = canvas.at(row, x).glyph;
        const std::string plain = plain_ascii(glyph);
        EXPECT_EQ(static_cast<int>(plain.size()), width_of(glyph)) << glyph;
        for (const char c : plain) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << glyph;
      }
    }
  }
}

TEST(Ascii, HeatIsADigit) {
  Model model;
  model.ascii = true;
  update(model, Resized{24, 80});
  update(model, sample_cluster());
  type(model, "2");
  EXPECT_NE(draw(model).text().find("75%   90\n"), std::string::npos) << draw(model).text();
}

std::string log_record(std::string_view text) {
  std::string header(16, '\0');
  header[0] = 1;
  header[4] = static_cast<char>(text.size());
  return header + std::string(text);
}

TEST(Log, ColoursOfTheOutputAreShownWhereItsCharactersAre) {
  Model model;
  update(model, Resized{10, 40});
  update(model, sample_cluster());
  type(model, "jl");
  update(model,
         LogBytes{model.log.of,
                  log_record("ok \x1b[31m進捗\x1b[1mBAD\x1b[0m rest \x1b[7mR\x1b[0m\n"), false});
  const auto style = [&](int column) { return draw(model).at(1, column).style; };
  EXPECT_EQ(style(0), Style::kPlain);
  EXPECT_EQ(style(3), Style::kInkRed);
  EXPECT_EQ(style(6), Style::kInkRed) << "the right half of a wide one";
  EXPECT_EQ(style(7), Style::kInkBoldRed);
  EXPECT_EQ(style(10), Style::kPlain);
  EXPECT_EQ(style(16), Style::kSelected);
  model.log.left = 4;
  EXPECT_EQ(draw(model).text().substr(draw(model).text().find('\n') + 1, 9), " 捗BAD r");
  EXPECT_EQ(style(0), Style::kInkRed);
  EXPECT_EQ(style(3), Style::kInkBoldRed);
  EXPECT_EQ(style(6), Style::kPlain);
  model.log.left = 0;
  type(model, "/bad\r");
  EXPECT_EQ(style(7), Style::kFound) << "what is searched for is seen above all colours";
}

TEST(Log, ColoursGoOnInTheNextRowOfAWrappedLine) {
  Model model;
  update(model, Resized{10, 10});
  update(model, sample_cluster());
  type(model, "jlw");
  update(model, LogBytes{model.log.of, log_record("12345678\x1b[32mabcd\x1b[0mx\n"), false});
  const Canvas canvas = draw(model);
  EXPECT_EQ(canvas.at(1, 7).style, Style::kPlain);
  EXPECT_EQ(canvas.at(1, 9).style, Style::kInkGreen);
  EXPECT_EQ(canvas.at(2, 1).style, Style::kInkGreen);
  EXPECT_EQ(canvas.at(2, 2).style, Style::kPlain);
}

TEST(JobInFull, NothingOfItIsCutAndConflictsAreNamed) {
  Model model;
  update(model, Resized{60, 60});
  update(model, sample_cluster());
  JobRow job = model.jobs.at(40);
  job.command = "python train.py";
  for (int i = 0; i < 20; ++i) job.command += " --option-" + std::to_string(i);
  job.home.conflicting = {"/root/proj/a.py", "/root/proj/b.py"};
  Pushed more;
  more.jobs = {job};
  update(model, more);
  type(model, "G\r");
  const std::string text = draw(model).text();
  EXPECT_NE(text.find("--option-19"), std::string::npos) << text;
  EXPECT_EQ(text.find("…"), text.rfind("…")) << "of the environment alone, not yet known\n" << text;
  EXPECT_NE(text.find("in conflict /root/proj/a.py /root/proj/b.py"), std::string::npos) << text;
  EXPECT_NE(text.find("devrun apply --beside 40"), std::string::npos) << text;
}

TEST(JobInFull, MemoryBelowAMegabyteIsNotNothing) {
  Model model;
  update(model, Resized{50, 120});
  Pushed cluster = sample_cluster();
  for (NodeSample& node : cluster.loads) {
    for (AttemptSample& attempt : node.attempts) attempt.memory_bytes = 612 << 10;
  }
  update(model, cluster);
  type(model, "j\r");
  LoadSeries series = sample_series();
  for (Load& point : series.points) {
    point.memory_mib = 1;
    point.cpu_milli = 2;
  }
  update(model, SeriesFetched{41, series});
  const std::string text = draw(model).text();
  EXPECT_NE(text.find("612 KB, 1.0 MB at most"), std::string::npos) << text;
  const size_t cpu = text.find("CPU   ");
  EXPECT_EQ(text.substr(cpu, text.find('\n', cpu) - cpu).find("█"), std::string::npos)
      << "0.002 of the two cores that it asked for is no full line\n"
      << text;
}

TEST(Jobs, WhatWaitsAgainKeepsItsNameAndItsProgress) {
  Model model;
  update(model, Resized{24, 100});
  update(model, sample_cluster());
  JobRow array = model.jobs.at(39);
  array.state = JobState::kQueued;
  array.reason = "waits for a node with 2 free cores";
  JobRow away = model.jobs.at(41);
  away.state = JobState::kUnreachable;
  away.reason = "its node is silent";
  Pushed more;
  more.jobs = {array, away};
  update(model, more);
  const std::string text = draw(model).text();
  EXPECT_NE(text.find("6/10, 1 failed"), std::string::npos) << text;
  EXPECT_NE(text.find("(waits for a node"), std::string::npos) << text;
  EXPECT_NE(text.find("python train.py --…  (its node is silent)"), std::string::npos) << text;
  EXPECT_NE(text.find("1 unreachable"), std::string::npos) << text;
}

TEST(Cells, ControlCharactersAreShownAndHarmNothing) {
  Canvas canvas(1, 10);
  canvas.put(0, 0, "a\x1b[2Jb\n", Style::kPlain);
  EXPECT_EQ(canvas.text(), "a·[2Jb·\n");
}

}  // namespace
}  // namespace devrun::tui
