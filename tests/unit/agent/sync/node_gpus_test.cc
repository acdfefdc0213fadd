// What a node knows of its GPUs over rounds, restarts of its agent, and drivers that do not answer. A shell script plays devrun-gpus: it
// tells, again and again, what a file says.
#include "agent/sync/node_gpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/runtime/boot_clock.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::agent {
namespace {

namespace fs = std::filesystem;

std::string whole(int index, const std::string& uuid, const std::string& more = "") {
  return R"({"maker":"NVIDIA","index":)" + std::to_string(index) + R"(,"uuid":")" + uuid +
         R"(","name":"NVIDIA H100","bus":"","minor":3,"link":1,"numa":0,"memory":80,"used":1,"busy":9,)"
         R"("temperature":61,"power_mw":1,"uncorrected":0,"remap_failed":false,"recovery":-1,)"
         R"("processes":[],"sliced":false,"slices":[])" +
         more + "}";
}

class Nodes : public ::testing::Test {
 protected:
  Nodes() {
    char name[] = "/tmp/devrun-gpus-XXXXXX";
    folder_ = ::mkdtemp(name);
    std::ofstream(folder_ / "gpus")
        << "#!/bin/sh\ncd " << folder_.string()
        << "\necho begun >> begun\nwhile :; do cat round; sleep 0.05; done\n";
    fs::permissions(folder_ / "gpus", fs::perms::all);
    // There is no driver to make nodes for.
    fs::create_directories(folder_ / "root/dev");
  }
  ~Nodes() override { fs::remove_all(folder_); }

  void tell(const std::vector<std::string>& gpus) {
    std::string out = R"({"drivers":["NVIDIA 550"],"gpus":[)";
    for (size_t i = 0; i < gpus.size(); ++i) out += (i == 0 ? "" : ",") + gpus[i];
    std::ofstream(folder_ / "round.new") << out << "]}\n";
    fs::rename(folder_ / "round.new", folder_ / "round");
  }
  NodeGpus::Options options(std::vector<std::string> devices = {}, const char* boot = "boot") {
    return {.program = (folder_ / "gpus").string(),
            .driver_root = (folder_ / "root").string(),
            .numbers_file = (folder_ / "kept").string(),
            .boot_id = boot,
            .cgroup_parent = "devrun/test",
            .devices = std::move(devices),
            .first_within = seconds(10)};
  }
  // "0 GPU-a, 1 GPU-b!": with a mark where one is lost.
  static std::string said(const NodeGpus& node) {
    std::string out;
    for (const gpu::FoundGpu& found : node.found()) {
      out += (out.empty() ? "" : ", ") + std::to_string(found.gpu.index) + " " + found.gpu.uuid;
      if (!found.facts.missing.empty()) out += "!";
    }
    return out;
  }

  fs::path folder_;
};

TEST_F(Nodes, AGpuThatVanishedIsKnownAfterARestartWithItsReason) {
  tell({whole(0, "GPU-a"), whole(1, "GPU-b", R"(,"xids":[{"code":79,"ago":5}])"),
        whole(2, "GPU-c")});
  {
    const NodeGpus first(options());
    EXPECT_EQ(said(first), "0 GPU-a, 1 GPU-b, 2 GPU-c");
    tell({whole(0, "GPU-a"), whole(1, "GPU-c")});
    ASSERT_TRUE(wait_for([&] { return said(first) == "0 GPU-a, 1 GPU-b!, 2 GPU-c"; }))
        << said(first);
  }
  {
    const NodeGpus again(options());
    EXPECT_EQ(said(again), "0 GPU-a, 1 GPU-b!, 2 GPU-c");
    EXPECT_EQ(again.gpus()[1].trouble,
              "it does not answer: the driver does not list it any more (XID 79: it has fallen off "
              "the bus)");
    EXPECT_EQ(again.gpus()[1].type, "H100");
    EXPECT_EQ(again.gpus()[1].memory_bytes, 80);
  }
  {
    // The machine was booted: the driver's numbers count, and what is lost is lost.
    const NodeGpus booted(options({}, "another boot"));
    EXPECT_EQ(said(booted), "0 GPU-a, 1 GPU-c, 2 GPU-b!");
    // It is back.
    tell({whole(0, "GPU-a"), whole(1, "GPU-b"), whole(2, "GPU-c")});
    EXPECT_TRUE(wait_for([&] { return said(booted) == "0 GPU-a, 1 GPU-c, 2 GPU-b"; }))
        << said(booted);
    EXPECT_EQ(booted.gpus()[2].trouble.find("XID"), std::string::npos);
    // It goes for good, and an administrator wants to hear no more of it.
    tell({whole(0, "GPU-a"), whole(1, "GPU-c")});
    EXPECT_TRUE(wait_for([&] { return said(booted) == "0 GPU-a, 1 GPU-c, 2 GPU-b!"; }));
    fs::remove(folder_ / "kept");
    EXPECT_TRUE(wait_for([&] { return said(booted) == "0 GPU-a, 1 GPU-c"; })) << said(booted);
  }
  EXPECT_EQ(said(NodeGpus(options())), "0 GPU-a, 1 GPU-c");
}

TEST_F(Nodes, ANumberStandsForTheGpuThatHadItWhenItWasLookedUp) {
  tell({whole(0, "GPU-a"), whole(1, "GPU-b"), whole(2, "GPU-c"), whole(3, "GPU-d")});
  {
    const NodeGpus first(options({"3", "GPU-a"}));
    EXPECT_EQ(said(first), "0 GPU-a, 3 GPU-d");
    // The driver counts anew, without the second.
    tell({whole(0, "GPU-a"), whole(1, "GPU-c"), whole(2, "GPU-d"), whole(3, "GPU-e")});
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(said(first), "0 GPU-a, 3 GPU-d");
  }
  // Nor does that change with the agent, or with a boot.
  EXPECT_EQ(said(NodeGpus(options({"3", "GPU-a"}))), "0 GPU-a, 3 GPU-d");
  EXPECT_EQ(said(NodeGpus(options({"3", "GPU-a"}, "another boot"))), "0 GPU-a, 2 GPU-d");
  // Other names are looked up; what is not among them any more is not the node's, nor remembered as lost.
  const NodeGpus other(options({"1", "7", "GPU-x"}));
  EXPECT_EQ(said(other), "1 GPU-c");
  EXPECT_EQ(other.driver(), "NVIDIA 550; not there: GPU 7, GPU-x");
}

TEST_F(Nodes, ADriverThatDoesNotAnswerIsWaitedForAWhileAndNoLonger) {
  tell({whole(0, "GPU-a")});
  { const NodeGpus first(options()); }
  fs::remove(folder_ / "round");
  NodeGpus::Options late = options();
  late.first_within = milliseconds(300);
  const Time began = boot_clock();
  NodeGpus node(late);
  EXPECT_LT(boot_clock() - began, seconds(8));
  EXPECT_EQ(said(node), "0 GPU-a!") << "it is known that there was one";
  EXPECT_EQ(node.gpus()[0].trouble, "it does not answer: the driver has not answered within 300ms");
  EXPECT_EQ(node.driver(), "none that answers: the driver has not answered within 300ms");
  std::atomic<int> changes = 0;
  node.watch([&] { ++changes; });
  tell({whole(0, "GPU-a"), whole(1, "GPU-b")});
  EXPECT_TRUE(wait_for([&] { return said(node) == "0 GPU-a, 1 GPU-b"; })) << said(node);
  EXPECT_TRUE(wait_for([&] { return changes > 0; }));
  EXPECT_EQ(node.driver(), "NVIDIA 550");
  // Its end is no longer than that of a program that can be killed.
  const Time ends = boot_clock();
  node.stop();
  EXPECT_LT(boot_clock() - ends, seconds(5));
}

TEST_F(Nodes, AProbeThatIsStillThereHasNoSecondOneBesideIt) {
  tell({whole(0, "GPU-a")});
  const auto begun = [&] {
    std::ifstream file(folder_ / "begun");
    return std::distance(std::istreambuf_iterator<char>(file), {}) / 6;  // "begun\n"
  };
  const NodeGpus first(options());
  EXPECT_EQ(begun(), 1);
  NodeGpus::Options late = options();
  late.first_within = milliseconds(1500);
  const NodeGpus second(late);  // as an agent that was started beside a stray of the one before it
  EXPECT_EQ(said(second), "0 GPU-a!");
  EXPECT_NE(second.driver().find("of an earlier agent does not die"), std::string::npos)
      << second.driver();
  EXPECT_EQ(begun(), 1);
}

TEST_F(Nodes, WhereNoDriverIsInstalledNobodyWaits) {
  std::ofstream(folder_ / "gpus") << "#!/bin/sh\nexit 3\n";
  const Time began = boot_clock();
  const NodeGpus node(options());
  EXPECT_LT(boot_clock() - began, seconds(8));
  EXPECT_EQ(said(node), "");
  EXPECT_EQ(node.driver(), "");
}

TEST_F(Nodes, AGpuThatTellsNoUseHasNoSample) {
  std::string silent = whole(1, "GPU-b");
  silent.replace(silent.find(R"("busy":9,)"), 9, "");
  tell({whole(0, "GPU-a"), silent});
  const NodeGpus node(options());
  EXPECT_EQ(node.newest().count(0), 1u);
  EXPECT_EQ(node.newest().count(1), 0u);
}

}  // namespace
}  // namespace devrun::agent
