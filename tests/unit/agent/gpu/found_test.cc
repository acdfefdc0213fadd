// What devrun-gpus tells, numbered, judged and shared out.
#include "agent/gpu/found.h"

#include <gtest/gtest.h>

#include "agent/gpu/health.h"
#include "agent/gpu/judge.h"
#include "agent/gpu/named.h"
#include "agent/gpu/numbers.h"

namespace devrun::gpu {
namespace {

std::string whole(int index, const std::string& more = "") {
  return R"({"maker":"NVIDIA","index":)" + std::to_string(index) + R"(,"uuid":"GPU-)" +
         std::to_string(index) +
         R"(","name":"NVIDIA A100-SXM4-80GB","bus":"0000:3b:00.0","minor":3,"link":1,"numa":0,)"
         R"("memory":85899345920,"used":1024,"busy":97,"temperature":61,"power_mw":312000,)"
         R"("uncorrected":0,"remap_failed":false,"recovery":-1,"xids":[],)"
         R"("processes":[{"pid":7,"memory":512,"program":"python"}],)" +
         (more.empty() ? R"("sliced":false,"slices":[])" : more) + "}";
}
std::string slice(int number, const std::string& uuid) {
  return R"({"number":)" + std::to_string(number) + R"(,"uuid":")" + uuid +
         R"(","name":"NVIDIA A100-SXM4-80GB MIG 1g.10gb","memory":10737418240,"used":5,)"
         R"("gpu_instance":9,"compute_instance":0,"processes":[]})";
}
std::string line(const std::vector<std::string>& gpus) {
  std::string out = R"({"drivers":["NVIDIA 550.54.15, CUDA 12.4"],"gpus":[)";
  for (size_t i = 0; i < gpus.size(); ++i) out += (i == 0 ? "" : ",") + gpus[i];
  return out + "]}";
}
FoundRound round_of(const std::vector<std::string>& gpus) {
  const auto out = parse_round(line(gpus));
  EXPECT_TRUE(out) << out.error().message;
  return out ? *out : FoundRound{};
}
std::vector<uint32_t> numbers_of(const FoundRound& round) {
  std::vector<uint32_t> out;
  for (const FoundGpu& found : round.gpus) out.push_back(found.gpu.index);
  return out;
}
const std::string kLost = R"({"maker":"NVIDIA","index":1,"uuid":"GPU-1","missing":"GPU is lost"})";
using Numbers_ = std::vector<uint32_t>;

TEST(Found, ARoundOfTheProbe) {
  const FoundRound round = round_of({whole(0), kLost});
  EXPECT_EQ(round.driver, "NVIDIA 550.54.15, CUDA 12.4");
  ASSERT_EQ(round.gpus.size(), 2u);
  const FoundGpu& first = round.gpus[0];
  EXPECT_EQ(first.gpu.type, "A100-80GB");
  EXPECT_EQ(first.minor, 3u);
  EXPECT_EQ(first.gpu.numa, 1u);
  EXPECT_EQ(first.sample.busy_percent, 97u);
  EXPECT_TRUE(first.busy_told);
  std::string silent = whole(0);
  silent.replace(silent.find("\"busy\":97,"), 10, "");
  EXPECT_FALSE(round_of({silent}).gpus[0].busy_told);
  EXPECT_EQ(first.sample.processes.at(0).program, "python");
  EXPECT_EQ(round.gpus[1].facts.missing, "GPU is lost");
  for (const char* bad :
       {"", "{", "{}", "GPU 1 does not answer", R"({"drivers":[],"gpus":[{}]})"}) {
    EXPECT_FALSE(parse_round(bad)) << bad;
  }
}

TEST(Found, AGpuInMigModeIsItsSlices) {
  const FoundRound round = round_of(
      {whole(0, R"("sliced":true,"slices":[)" + slice(0, "MIG-a") + "," + slice(1, "MIG-b") + "]"),
       whole(1, R"("sliced":true,"slices":[])")});
  ASSERT_EQ(round.gpus.size(), 3u);
  EXPECT_EQ(round.gpus[0].gpu.slice, "1g.10gb");
  EXPECT_EQ(round.gpus[0].gpu.type, "A100-80GB-1g.10gb");
  EXPECT_EQ(round.gpus[0].parent, "GPU-0");
  EXPECT_EQ(round.gpus[0].gpu_instance, 9u);
  EXPECT_EQ(trouble_of(round.gpus[2].facts), "it is in MIG mode, and has no slices");
  Numbers numbers("boot");
  EXPECT_EQ(numbers_of(numbers.number(round)), (Numbers_{1, 100, 101}));
  // Cut anew: what was there is forgotten, and its numbers are free.
  const FoundRound other =
      round_of({whole(0, R"("sliced":true,"slices":[)" + slice(0, "MIG-c") + "]"), whole(1)});
  EXPECT_EQ(numbers_of(numbers.number(other)), (Numbers_{1, 100}));
  // And whole again.
  EXPECT_EQ(numbers_of(numbers.number(round_of({whole(0), whole(1)}))), (Numbers_{0, 1}));
}

TEST(Numbers, SlicesOfAGpuThatIsLostAreInTroubleAndNotForgotten) {
  Numbers numbers("boot");
  const auto sliced = [](const std::string& slices) {
    return round_of({whole(0, R"("sliced":true,"slices":[)" + slices + "]"), whole(1)});
  };
  numbers.number(sliced(slice(0, "MIG-a") + "," + slice(1, "MIG-b")));
  const FoundRound lost = numbers.number(round_of(
      {R"({"maker":"NVIDIA","index":0,"uuid":"GPU-0","missing":"GPU is lost"})", whole(1)}));
  EXPECT_EQ(numbers_of(lost), (Numbers_{1, 100, 101}));
  EXPECT_EQ(lost.gpus[1].facts.missing, "GPU is lost");
  // The first has been taken away meanwhile: the other one keeps its number.
  EXPECT_EQ(numbers_of(numbers.number(sliced(slice(0, "MIG-b")))), (Numbers_{1, 101}));
}

TEST(Numbers, BelongToGpusAsLongAsTheMachineRuns) {
  Numbers numbers("boot");
  EXPECT_EQ(numbers_of(numbers.number(round_of({whole(0), whole(1), whole(2)}))),
            (Numbers_{0, 1, 2}));
  // The driver begins anew without the second, and counts anew.
  std::string moved = whole(2);
  moved.replace(moved.find("\"index\":2"), 9, "\"index\":1");
  FoundRound now = numbers.number(round_of({whole(0), moved}));
  EXPECT_EQ(numbers_of(now), (Numbers_{0, 1, 2}));
  EXPECT_EQ(now.gpus[1].facts.missing, "the driver does not list it any more");
  EXPECT_EQ(now.gpus[1].gpu.type, "A100-80GB");
  EXPECT_EQ(now.gpus[2].facts.missing, "");
  // It does not answer: what it is is known all the same.
  now = numbers.number(round_of({whole(0), kLost, whole(2)}));
  EXPECT_EQ(now.gpus[1].gpu.memory_bytes, 85899345920);
  EXPECT_EQ(now.gpus[1].facts.missing, "GPU is lost");

  Numbers again("boot");
  again.read(numbers.text());
  EXPECT_EQ(numbers_of(again.number(round_of({whole(0), moved}))), (Numbers_{0, 1, 2}));
  Numbers booted("another boot");
  booted.read(numbers.text());
  EXPECT_EQ(numbers_of(booted.number(round_of({whole(0), moved}))), (Numbers_{0, 1, 2}));
  for (const char* bad : {"", "boot", "boot\nx", "boot\n1", "boot\n-1 a", "boot\n{", "boot\n{}"}) {
    again.read(bad);
  }
}

TEST(Numbers, SlicesOfAVanishedGpuAreKnownAfterARestart) {
  const std::string sliced =
      whole(0, R"("sliced":true,"slices":[)" + slice(0, "MIG-a") + "," + slice(1, "MIG-b") + "]");
  Numbers numbers("boot");
  numbers.number(round_of({sliced, whole(1)}));
  Numbers again("boot");
  again.read(numbers.text());
  const FoundRound lost = again.number(round_of({whole(1)}));
  EXPECT_EQ(numbers_of(lost), (Numbers_{1, 100, 101}));
  EXPECT_EQ(lost.gpus[2].gpu.slice, "1g.10gb");
  EXPECT_EQ(lost.gpus[2].gpu_instance, 9u);
  EXPECT_EQ(lost.gpus[2].facts.missing, Numbers::kNotListed);
  // Back, and whole: there are no slices any more.
  EXPECT_EQ(numbers_of(again.number(round_of({whole(0), whole(1)}))), (Numbers_{0, 1}));
}

TEST(Numbers, ASliceThatDoesNotAnswerIsInTroubleBesideItsSister) {
  Numbers numbers("boot");
  const auto of = [](const std::string& first) {
    return round_of(
        {whole(0, R"("sliced":true,"slices":[)" + first + "," + slice(1, "MIG-b") + "]")});
  };
  numbers.number(of(slice(0, "MIG-a")));
  const FoundRound round =
      numbers.number(of(R"({"number":0,"uuid":"MIG-a","name":"","missing":"GPU is lost"})"));
  EXPECT_EQ(numbers_of(round), (Numbers_{100, 101}));
  EXPECT_EQ(round.gpus[0].facts.missing, "GPU is lost");
  EXPECT_EQ(round.gpus[0].gpu.type, "A100-80GB-1g.10gb") << "what it is is known";
  EXPECT_EQ(round.gpus[1].facts.missing, "");
}

TEST(Numbers, WhatIsNotListedIsForgottenForWhoWantsThat) {
  Numbers numbers("boot");
  numbers.number(round_of({whole(0), whole(1)}));
  const FoundRound now = round_of(
      {whole(0),
       R"({"maker":"NVIDIA","index":1,"uuid":"GPU-1","missing":"it is not listed","listed":false,)"
       R"("xids":[{"code":79,"ago":700}]})"});
  const FoundRound lost = numbers.number(now);
  EXPECT_EQ(numbers_of(lost), (Numbers_{0, 1}));
  EXPECT_EQ(trouble_of(lost.gpus[1].facts),
            "it does not answer: it is not listed (XID 79: it has fallen off the bus)");
  numbers.forget_lost();
  EXPECT_EQ(numbers_of(numbers.number(now)), (Numbers_{0}))
      << "also while the probe goes on about it";
  // One that the driver lists and that does not answer is not lost.
  numbers.number(round_of({whole(0), whole(1)}));
  const FoundRound silent = round_of({whole(0), kLost});
  numbers.number(silent);
  numbers.forget_lost();
  EXPECT_EQ(numbers.number(silent).gpus[1].gpu.type, "A100-80GB");
}

TEST(Numbers, OneThatNeverAnsweredHasTheOneThatIsLeft) {
  Numbers numbers("boot");
  numbers.number(round_of({whole(0), whole(1)}));
  Numbers again("boot");
  again.read(numbers.text());
  const FoundRound now =
      again.number(round_of({whole(0), R"({"maker":"NVIDIA","index":1,"uuid":"","missing":"x"})"}));
  EXPECT_EQ(numbers_of(now), (Numbers_{0, 1}));
  EXPECT_EQ(now.gpus[1].gpu.uuid, "GPU-1");
}

TEST(Health, EachFactAndWhatHasPassed) {
  EXPECT_EQ(trouble_of({}), "");
  Facts facts;
  facts.missing = "GPU is lost";
  EXPECT_EQ(trouble_of(facts), "it does not answer: GPU is lost");
  facts.xids = {{13, 1}, {79, 5}};
  EXPECT_EQ(trouble_of(facts),
            "it does not answer: GPU is lost (XID 79: it has fallen off the bus)");
  facts = {};
  facts.uncorrected_errors = 2;
  EXPECT_EQ(trouble_of(facts), "2 uncorrectable memory errors since its last reset");
  facts = {};
  facts.remap_failed = true;
  EXPECT_EQ(trouble_of(facts), "a bad row of its memory could not be replaced");
  facts = {};
  facts.recovery = 1;
  EXPECT_EQ(trouble_of(facts), "its driver asks for a reset of it");
  facts = {};
  facts.xids = {{31, 1}, {43, 1}, {45, 1}};  // faults of programs
  EXPECT_EQ(trouble_of(facts), "");
  facts.xids = {{48, kXidCountsSeconds - 1}};
  EXPECT_EQ(trouble_of(facts), "XID 48: two wrong bits in one word of its memory");
  facts.xids = {{48, kXidCountsSeconds}};
  EXPECT_EQ(trouble_of(facts), "");
  // A driver that tells what is to be done is believed.
  facts.recovery = 0;
  facts.xids = {{48, kXidSettlesSeconds}};
  EXPECT_EQ(trouble_of(facts), "");
  facts.xids = {{48, kXidSettlesSeconds - 1}};
  EXPECT_NE(trouble_of(facts), "");
}

TEST(Judge, ProgramsThatAreNotDevrunsCountFromTheSecondLook) {
  std::map<uint32_t, Owner> owners{{1, {true, AttemptKey{7, kNoTask, 0, 1}}}, {2, {true, {}}}};
  Judge judge([&](uint32_t pid) { return owners[pid]; });
  const auto look = [&](const std::vector<uint32_t>& pids) {
    std::vector<FoundGpu> gpus(1);
    for (const uint32_t pid : pids) gpus[0].sample.processes.push_back({pid, 5, "python", {}});
    judge.judge(gpus);
    return gpus[0];
  };
  EXPECT_EQ(look({1, 2}).gpu.others, "");
  const FoundGpu second = look({1, 2, 3});
  EXPECT_EQ(second.gpu.others, "python (pid 2)");
  EXPECT_EQ(second.sample.processes[0].pid, 2u);  // strangers first
  EXPECT_EQ(second.sample.processes.back().key->job, 7u);
  EXPECT_EQ(look({1, 3}).gpu.others, "");
}

TEST(Judge, AttemptsAreKnownByTheirCgroups) {
  const auto key = attempt_of_cgroups(
      "12:devices:/devrun/node1/42_3.0#2/x\n4:memory:/devrun/node1/42_3.0#2\n0::/\n",
      "devrun/node1");
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (AttemptKey{42, 3, 0, 2}));
  EXPECT_FALSE(attempt_of_cgroups("0::/user.slice/session-1.scope\n", "devrun/node1"));
  EXPECT_FALSE(attempt_of_cgroups("0::/devrun/node2/42_-.0#1\n", "devrun/node1"));
  EXPECT_FALSE(attempt_of_cgroups("", "devrun/node1"));
  EXPECT_FALSE(owner_by_cgroup(4'000'000, "devrun/node1").known);
}

std::string uuids(const std::vector<FoundGpu>& some) {
  std::string out;
  for (const FoundGpu& one : some) out += one.gpu.uuid + " ";
  return out;
}

TEST(Named, AnAllocationsGpusAreKnownByNumberOrUuid) {
  std::vector<FoundGpu> all(4);
  for (uint32_t i = 0; i < 4; ++i) {
    all[i].gpu.index = i;
    all[i].gpu.uuid = fmt::format("GPU-{}", i);
  }
  all[3].gpu.index = 0;  // a slice, within its GPU
  all[3].gpu.slice = "1g.5gb";
  all[3].gpu.slice_of = 1;
  all[3].parent = "GPU-1";
  EXPECT_EQ(uuids(Named({"2", "0"}).own(all)), "GPU-0 GPU-2 ");
  EXPECT_EQ(uuids(Named({"GPU-2", "GPU-3"}).own(all)), "GPU-2 GPU-3 ");
  EXPECT_EQ(uuids(Named({"1"}).own(all)), "GPU-1 GPU-3 ") << "its slices are with it";
  EXPECT_EQ(uuids(Named({}).own(all)), "GPU-0 GPU-1 GPU-2 GPU-3 ");
  Named none({"7"});
  EXPECT_EQ(uuids(none.own(all)), "");
  EXPECT_EQ(none.missing({}), (std::vector<std::string>{"7"}));
}

TEST(Named, ANumberIsLookedUpOnce) {
  std::vector<FoundGpu> all(2);
  all[0].gpu.uuid = "GPU-a";
  all[1].gpu.uuid = "GPU-b";
  all[1].gpu.index = 1;
  Named named({"1"});
  EXPECT_EQ(uuids(named.own(all)), "GPU-b ");
  all[0].gpu.uuid = "GPU-c";
  std::swap(all[0].gpu.index, all[1].gpu.index);
  EXPECT_EQ(uuids(named.own(all)), "GPU-b ");
  Named again({"1", "0"});
  again.read_line("name 1 GPU-b");
  again.read_line("name 5 GPU-f");
  EXPECT_EQ(uuids(again.own({all[0]})), "");
  EXPECT_EQ(uuids(again.own(all)), "GPU-b ") << "0 is GPU-b, too";
  EXPECT_EQ(again.text(), "name 0 GPU-b\nname 1 GPU-b\n") << "5 is no name any more";
  // Of two makers NVIDIA's driver counts.
  all[0].maker = Maker::kAmd;
  all[0].gpu.index = all[1].gpu.index = 0;
  EXPECT_EQ(uuids(Named({"0"}).own(all)), "GPU-b ");
}

TEST(Found, SharesGoByTheGpuThatASliceIsOf) {
  Numbers numbers("boot");
  const FoundRound round = numbers.number(round_of(
      {whole(0, R"("sliced":true,"slices":[)" + slice(0, "MIG-a") + "," + slice(1, "MIG-b") + "]"),
       whole(1)}));
  EXPECT_EQ(numbers_of({{}, share_of(round.gpus, 1, 2)}), (Numbers_{100, 101}));
  EXPECT_EQ(numbers_of({{}, share_of(round.gpus, 2, 2)}), (Numbers_{1}));
}

}  // namespace
}  // namespace devrun::gpu
