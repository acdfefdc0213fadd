// Rates from the kernel's counters, and GPUs by attempt.
#include "agent/sync/sampler.h"

#include <gtest/gtest.h>

namespace devrun::agent {
namespace {

constexpr AttemptKey kKey{7, kNoTask, 0, 1};

TEST(MachineLoad, CountsBusyCoresAndWholeDisks) {
  const MachineCounters counters = parse_counters("cpu  100 0 50 800 40 0 10 0 0 0\ncpu0 1 2 3 4\n",
                                                  "   8       0 sda 5 0 16 0 7 0 32 0 0 0 0\n"
                                                  "   8       1 sda1 5 0 16 0 7 0 32 0 0 0 0\n"
                                                  " 259       0 nvme0n1 5 0 2 0 7 0 4 0 0 0 0\n"
                                                  " 259       1 nvme0n1p1 5 0 2 0 7 0 4 0 0 0 0\n"
                                                  "   7       0 loop0 5 0 999 0 7 0 999 0 0 0 0\n");
  EXPECT_EQ(counters.busy_ticks, 160u);
  EXPECT_EQ(counters.all_ticks, 1000u);
  EXPECT_EQ(counters.read_bytes, 18u * 512);
  EXPECT_EQ(counters.written_bytes, 36u * 512);
}

TEST(MachineLoad, NothingOfNothing) {
  EXPECT_EQ(parse_counters("", "").all_ticks, 0u);
  EXPECT_EQ(parse_counters("intr 1 2\n", "garbage\n\n8 0\n").read_bytes, 0u);
  EXPECT_EQ(parse_memory("MemTotal: x").total_bytes, 0);
}

TEST(MachineLoad, MemoryWithoutWhatTheKernelWouldGiveBack) {
  const MachineMemory memory =
      parse_memory("MemTotal:  1000 kB\nMemFree: 5 kB\nMemAvailable:   400 kB\n");
  EXPECT_EQ(memory.total_bytes, 1000 << 10);
  EXPECT_EQ(memory.used_bytes, 600 << 10);
}

TEST(Rates, AreMeansSinceTheLookBefore) {
  Rates rates;
  EXPECT_EQ(rates.machine({100, 1000, 0, 0}, {}, {1'000'000}).cpu_permille, 0u);
  const NodeSample second = rates.machine({150, 1200, 4096, 0}, {5, 10}, {3'000'000});
  EXPECT_EQ(second.cpu_permille, 250u);
  EXPECT_EQ(second.read_bytes_s, 2048);
  EXPECT_EQ(second.memory_bytes, 5);

  Usage usage;
  usage.cpu = seconds(10);
  EXPECT_EQ(rates.attempt(kKey, usage, {1'000'000}).cpu_milli, 0u);
  usage.cpu = seconds(13);
  usage.memory_bytes = 77;
  const AttemptSample attempt = rates.attempt(kKey, usage, {3'000'000});
  EXPECT_EQ(attempt.cpu_milli, 1500u);
  EXPECT_EQ(attempt.memory_bytes, 77);
  // Counters that went back (a process has gone) are no negative use.
  usage.cpu = seconds(1);
  EXPECT_EQ(rates.attempt(kKey, usage, {5'000'000}).cpu_milli, 0u);
  rates.forget_others({});
  usage.cpu = seconds(100);
  EXPECT_EQ(rates.attempt(kKey, usage, {7'000'000}).cpu_milli, 0u) << "it was forgotten";
}

TEST(Rates, GpusOfAnAttemptAreAdded) {
  const std::map<uint32_t, GpuSample> busy{
      {0, {0, 90, 10, 100}}, {1, {1, 10, 20, 100}}, {2, {2, 55, 30, 100}}};
  AttemptSample out;
  add_gpus(busy, {0, 1, 5}, out);
  EXPECT_EQ(out.gpus, 2u);
  EXPECT_EQ(out.gpu_busy_percent, 50u);
  EXPECT_EQ(out.gpu_memory_bytes, 30);
  // A little is something.
  AttemptSample one_of_four;
  add_gpus({{0, {0, 3, 10, 100}}, {1, {1, 0, 0, 100}}, {2, {2, 0, 0, 100}}, {3, {3, 0, 0, 100}}},
           {0, 1, 2, 3}, one_of_four);
  EXPECT_EQ(one_of_four.gpu_busy_percent, 1u);
  // One that does nothing says nothing of another, of which nothing is told.
  AttemptSample half_told;
  add_gpus({{0, {0, 0, 10, 100}}}, {0, 1}, half_told);
  EXPECT_EQ(half_told.gpus, 0u);
  // Of slices nobody tells anything.
  AttemptSample slice;
  add_gpus({{101, {101, 0, 10, 100}}}, {101}, slice);
  EXPECT_EQ(slice.gpus, 0u);
}

}  // namespace
}  // namespace devrun::agent
