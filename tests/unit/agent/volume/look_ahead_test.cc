// Who is taken for a reader from front to back, and how far ahead of one is fetched.
#include "agent/volume/look_ahead.h"

#include <gtest/gtest.h>

namespace devrun::volume {
namespace {

ChunkKey body(char name) {
  return ChunkKey::of({tree::BodyKind::kChunked, std::string(32, name)}, 0);
}

TEST(LookAhead, AsksForEachChunkOnceAndInOrder) {
  LookAhead ahead;
  uint32_t asked = 0;
  for (uint32_t at = 0; at < 100; ++at) {
    for (int part = 0; part < 4; ++part) {  // the kernel reads parts of a chunk
      const auto next = ahead.on_read(body('a'), at, at + 1, 100);
      if (next.first == next.end) continue;
      EXPECT_GE(next.first, std::max(asked, at + 1));
      EXPECT_LE(next.end, 100u);
      if (asked > 0) {
        EXPECT_EQ(next.first, asked);
      }
      asked = next.end;
    }
  }
  EXPECT_EQ(asked, 100u);
}

TEST(LookAhead, LeavesWhoJumpsAlone) {
  LookAhead ahead;
  uint32_t total = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    const uint32_t at = i * 37 % 101;
    const auto next = ahead.on_read(body('a'), at, at + 1, 101);
    total += next.end - next.first;
  }
  EXPECT_EQ(total, 0u);
}

TEST(LookAhead, ManyReadersShareTheMemory) {
  LookAhead ahead;
  uint32_t farthest = 0;
  for (uint32_t at = 0; at < 50; ++at) {
    for (char name = 'a'; name < 'a' + 16; ++name) {
      const auto next = ahead.on_read(body(name), at, at + 1, 1'000);
      if (at > 10 && next.end > at) farthest = std::max(farthest, next.end - at);
    }
  }
  EXPECT_GE(farthest, 1u);
  EXPECT_LE(farthest, 16u);  // what was asked for before the others came counts too
}

}  // namespace
}  // namespace devrun::volume
