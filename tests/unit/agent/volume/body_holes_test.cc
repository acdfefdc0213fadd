// Holes by hashes alone.
#include "agent/volume/body_holes.h"

#include <gtest/gtest.h>

#include "common/tree/codec.h"
#include "common/tree/tree.h"

namespace devrun::volume {
namespace {

constexpr uint64_t kMiB = tree::kChunkBytes;

std::string list_of(const std::vector<std::string>& chunks) {
  std::string out;
  for (const std::string& chunk : chunks) out += tree::sha256(chunk).view();
  return out;
}

TEST(BodyHoles, AreTheChunksOfZeros) {
  const std::string zeros(kMiB, '\0');
  const std::string data(kMiB, 'x');
  // hole, data, hole, hole, data, and 100 bytes of zeros
  const std::string list = list_of({zeros, data, zeros, zeros, data, std::string(100, '\0')});
  const uint64_t size = 5 * kMiB + 100;
  const auto data_at = [&](uint64_t from) { return seek_in_body(list, size, from, false); };
  const auto hole_at = [&](uint64_t from) { return seek_in_body(list, size, from, true); };
  EXPECT_EQ(data_at(0), kMiB);
  EXPECT_EQ(data_at(kMiB + 5), kMiB + 5);
  EXPECT_EQ(data_at(2 * kMiB), 4 * kMiB);
  EXPECT_EQ(data_at(5 * kMiB + 1), std::nullopt);
  EXPECT_EQ(hole_at(0), 0u);
  EXPECT_EQ(hole_at(kMiB), 2 * kMiB);
  EXPECT_EQ(hole_at(3 * kMiB + 7), 3 * kMiB + 7);
  EXPECT_EQ(hole_at(4 * kMiB), 5 * kMiB);
  EXPECT_EQ(hole_at(size), std::nullopt);
  EXPECT_EQ(data_at(size), std::nullopt);
}

TEST(BodyHoles, AFileEndsInOneAndWithoutHashesAllIsData) {
  const std::string list = list_of({std::string(kMiB, 'x'), std::string(10, 'y')});
  EXPECT_EQ(seek_in_body(list, kMiB + 10, 0, true), kMiB + 10);
  EXPECT_EQ(seek_in_body({}, 500, 20, false), 20u);
  EXPECT_EQ(seek_in_body({}, 500, 20, true), 500u);
  EXPECT_EQ(seek_in_body({}, 500, 500, false), std::nullopt);
  EXPECT_EQ(seek_in_body({}, 0, 0, true), std::nullopt);
}

}  // namespace
}  // namespace devrun::volume
