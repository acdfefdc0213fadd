// A node that has fallen silent: what it told last is marked as that, its charts have gaps, its jobs use nothing known.
#include <gtest/gtest.h>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/loads.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

class SilentNode : public testing::Test {
 protected:
  void SetUp() override {
    update(model_, Resized{24, 160});
    update(model_, sample_cluster());
  }
  // Every node but those that are named tells what it uses, so many times, two seconds apart.
  void tell(int times, const std::string& but = "") {
    for (int i = 0; i < times; ++i) {
      Pushed more;
      more.now = model_.now + seconds(2);
      for (const NodeSample& sample : sample_loads()) {
        if (sample.node != but) more.loads.push_back(sample);
      }
      update(model_, more);
    }
  }
  void connect(const std::string& name, bool connected) {
    Pushed more;
    more.nodes = {model_.nodes.at(name)};
    more.nodes[0].connected = connected;
    more.nodes[0].last_heard = connected ? Time{} : model_.now;
    update(model_, more);
  }
  std::string row_of(const std::string& begin) {
    const std::string text = draw(model_).text();
    const size_t at = text.find((begin.starts_with('!') ? "\n " : "\n  ") + begin);
    return at == std::string::npos ? text : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }
  Model model_;
};

TEST_F(SilentNode, WhatItToldLastIsMarkedAndSoIsSinceWhen) {
  tell(20);
  type(model_, "2");
  EXPECT_NE(row_of("node1").find("ready    2     ███████···"), std::string::npos)
      << row_of("node1");
  EXPECT_EQ(row_of("node1").find("was"), std::string::npos);
  connect("node1", false);
  tell(90, "node1");
  const std::string row = row_of("node1");
  EXPECT_NE(row.find("away 3m  2     was 75%"), std::string::npos) << row;
  EXPECT_NE(row.find(" ??"), std::string::npos) << "nobody knows what its GPUs do\n" << row;
  EXPECT_EQ(row.find("██"), std::string::npos) << row;
  const std::string text = draw(model_).text();
  EXPECT_NE(text.find("; told nothing for 3m00s"), std::string::npos) << text;
  EXPECT_NE(text.find("was 97%, 70 GB"), std::string::npos) << text;
  connect("node1", true);
  tell(1);
  EXPECT_EQ(draw(model_).text().find("was"), std::string::npos) << draw(model_).text();
}

TEST_F(SilentNode, OneThatIsThereAndTellsNothingIsNotIdleEither) {
  tell(10, "node2");
  type(model_, "2");
  EXPECT_NE(row_of("node2").find("drained  1     was 5%"), std::string::npos) << row_of("node2");
}

TEST_F(SilentNode, WhoBeginsToWatchIsToldSinceWhenItIsAway) {
  Pushed cluster = sample_cluster();
  cluster.nodes[0].connected = false;
  cluster.nodes[0].last_heard = cluster.now + seconds(-7200);
  Model fresh;
  update(fresh, Resized{24, 120});
  update(fresh, cluster);
  type(fresh, "2");
  const std::string text = draw(fresh).text();
  EXPECT_NE(text.find("away 2h  2     was 75%"), std::string::npos) << text;
}

TEST_F(SilentNode, TimeInWhichNothingWasToldIsAGapNotZero) {
  tell(10);
  tell(30, "node1");
  const NodeLoad& load = model_.node_loads.at("node1");
  std::vector<uint8_t> seen = upto_now(model_, "node1", load.cpu);
  ASSERT_EQ(seen.size(), 11u + 30u) << "while it lasts, the gap grows";
  EXPECT_EQ(seen[10], 75);
  EXPECT_EQ(seen[11], kNothingTold);
  EXPECT_EQ(seen.back(), kNothingTold);
  tell(1);
  ASSERT_EQ(load.cpu.size(), 11u + 30u + 1u);
  EXPECT_EQ(load.cpu.back(), 75);
  EXPECT_EQ(load.cpu[40], kNothingTold);
  EXPECT_EQ(load.gpu.size(), load.cpu.size());
  EXPECT_EQ(upto_now(model_, "node1", load.cpu), load.cpu);
  tell(400, "node1");
  tell(1);
  EXPECT_EQ(load.cpu.size(), kNodeHistoryMax) << "gaps are bounded, too";
}

TEST_F(SilentNode, AGapIsDrawnAsNothing) {
  update(model_, Resized{24, 300});
  tell(10);
  tell(20, "node2");
  tell(10);
  Pushed more;
  more.nodes = {model_.nodes.at("node2")};
  more.nodes[0].trouble.clear();
  update(model_, more);
  type(model_, "2");
  // Five percent is the lowest bar there is.
  const std::string bar = "▁▁▁▁▁▁▁▁▁▁";
  EXPECT_NE(row_of("node2").find(bar + std::string(20, ' ') + bar), std::string::npos)
      << row_of("node2");
}

TEST_F(SilentNode, ASeriesOfTheControllerHasGapsWhereItHasNothing) {
  LoadSeries series{"node1", 2'000'000, model_.now.us, true, {}};
  series.points = {{500, 4096, 40, 0}, {}, {}, {250, 4096, 0, 0}};
  update(model_, NodeSeriesFetched{false, {series}});
  const NodeLoad& load = model_.node_loads.at("node1");
  EXPECT_EQ(load.cpu, (std::vector<uint8_t>{50, kNothingTold, kNothingTold, 25}));
  EXPECT_EQ(load.gpu, (std::vector<uint8_t>{40, kNothingTold, kNothingTold, 0}));
  EXPECT_EQ(in_percent(series.points, &Load::memory_mib, 8192, 1),
            (std::vector<uint8_t>{50, kNothingTold, kNothingTold, 50, kNothingTold}));
}

TEST_F(SilentNode, OfItsJobsNothingStaleIsShown) {
  EXPECT_NE(draw(model_).text().find("97%"), std::string::npos);
  update(model_, Ticked{model_.now + seconds(60)});
  EXPECT_EQ(draw(model_).text().find("97%"), std::string::npos) << draw(model_).text();
  type(model_, "j\r");
  LoadSeries series = sample_series();
  series.end_us = model_.now.us - seconds(60).us;
  update(model_, SeriesFetched{41, series});
  const std::string text = draw(model_).text();
  EXPECT_NE(text.find("a point is 2.0s; nothing told for 1m00s"), std::string::npos) << text;
  EXPECT_NE(text.find("1m00s ago: 1.9 cores"), std::string::npos) << text;
  EXPECT_NE(text.find("its node has told nothing for 1m00s"), std::string::npos) << text;
}

TEST_F(SilentNode, ItsJobsAreMarkedAsSoonAsItIsAway) {
  EXPECT_EQ(row_of("41 ").find("?"), std::string::npos) << row_of("41 ");
  connect("node1", false);
  EXPECT_NE(row_of("41 ").find(" ?      ?  "), std::string::npos) << row_of("41 ");
  EXPECT_NE(row_of("39[10]").find("0.4?"), std::string::npos) << "of two tasks one is known\n"
                                                              << row_of("39[10]");
  EXPECT_EQ(row_of("!40 ").find("?"), std::string::npos) << row_of("!40 ");
  connect("node1", true);
  EXPECT_EQ(row_of("41 ").find("?"), std::string::npos) << row_of("41 ");
}

TEST_F(SilentNode, AllIsToldByOneClock) {
  Pushed more;
  more.nodes = {model_.nodes.at("node1")};
  more.nodes[0].connected = false;
  more.nodes[0].last_heard = model_.now + seconds(10);
  update(model_, more);
  update(model_, Ticked{model_.now + seconds(52)});
  type(model_, "j\r");
  LoadSeries series = sample_series();
  series.end_us = model_.now.us - seconds(44).us;
  update(model_, SeriesFetched{41, series});
  std::string text = draw(model_).text();
  EXPECT_NE(text.find("; nothing told for 42s"), std::string::npos) << text;
  EXPECT_NE(text.find("42s ago: 1.9 cores"), std::string::npos) << text;
  EXPECT_NE(text.find("its node has told nothing for 42s"), std::string::npos) << text;
  type(model_, "2");
  text = draw(model_).text();
  EXPECT_NE(text.find("promised; told nothing for 42s"), std::string::npos) << text;
}

TEST_F(SilentNode, OneWithoutGpusHasNoLineForThem) {
  update(model_, Resized{30, 100});
  type(model_, "2");
  EXPECT_NE(draw(model_).text().find("GPU 5m"), std::string::npos) << draw(model_).text();
  type(model_, "j");
  const std::string text = draw(model_).text();
  EXPECT_EQ(text.find("GPU 5m"), std::string::npos) << text;
  EXPECT_NE(text.find("MEMORY 5m"), std::string::npos) << text;
}

}  // namespace
}  // namespace devrun::tui
