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
  for (const char c : std::string("/state:run")) update(model_, key(static_cast<char32_t>(c)));
  expect_golden(named("filtering"), model_);
}

TEST_P(Screens, Job) {
  start();
  update(model_, key(U'G'));
  update(model_, key(U'k'));
  update(model_, key(U'k'));
  update(model_, key(U'\r'));
  expect_golden(named("job"), model_);
}

TEST_P(Screens, Array) {
  start();
  update(model_, key(U'G'));
  update(model_, key(U'k'));
  update(model_, key(U'\r'));
  expect_golden(named("array"), model_);
}

TEST_P(Screens, ConfirmCancel) {
  start();
  update(model_, key(U'x'));
  expect_golden(named("confirm"), model_);
}

TEST_P(Screens, Help) {
  start();
  update(model_, key(U'?'));
  expect_golden(named("help"), model_);
}

TEST_P(Screens, Log) {
  start();
  update(model_, key(U'j'));
  update(model_, key(U'l'));
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

INSTANTIATE_TEST_SUITE_P(Sizes, Screens,
                         testing::Values(Size{24, 80, "80x24"}, Size{50, 160, "160x50"}),
                         [](const auto& chosen) { return "s" + chosen.param.name; });

TEST(ScreenSizes, AnyInAnyStateIsDrawn) {
  for (const bool connected : {false, true}) {
    for (const Screen screen : {Screen::kJobs, Screen::kJob, Screen::kLog}) {
      for (int overlay = 0; overlay < 4; ++overlay) {
        Model model;
        if (connected) update(model, sample_cluster());
        if (!connected) update(model, ConnectionLost{"cannot reach the controller at somewhere"});
        model.screen = screen;
        model.showing_help = overlay == 1;
        model.editing_filter = overlay == 2;
        if (overlay == 3) model.confirming_cancel = 41;
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

}  // namespace
}  // namespace devrun::tui
