// Bytes of files are the same message to protobuf and to the reader that copies nothing.
#include "common/wire/home_bytes.h"

#include <gtest/gtest.h>

#include "devrun/v1/agent.pb.h"

namespace devrun::wire {
namespace {

TEST(HomeBytes, IsWhatProtobufReads) {
  for (const uint64_t entry : {uint64_t{0}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    for (const uint64_t zeros : {uint64_t{0}, uint64_t{1} << 40}) {
      for (const size_t bytes : {size_t{0}, size_t{1}, size_t{127}, size_t{128}, size_t{1} << 20}) {
        for (const bool last : {false, true}) {
          const HomeBytesHead head{entry, zeros, last};
          const std::string data(bytes, 'x');
          const std::string message = home_bytes_head(head, bytes) + data;
          v1::HomeUp read;
          ASSERT_TRUE(read.ParseFromString(message));
          EXPECT_EQ(read.bytes().entry(), entry);
          EXPECT_EQ(read.bytes().zeros(), zeros);
          EXPECT_EQ(read.bytes().last(), last);
          EXPECT_TRUE(read.bytes().data() == data);
          const auto start = read_home_bytes(message, message.size());
          ASSERT_TRUE(start);
          EXPECT_EQ(start->head, head);
          EXPECT_EQ(start->data_at, message.size() - bytes);
        }
      }
    }
  }
}

// Protobuf may write the fields in another order, and any message may be cut or wrong.
TEST(HomeBytes, LeavesAnythingElseToProtobuf) {
  v1::HomeUp message;
  message.mutable_bytes()->set_entry(7);
  message.mutable_bytes()->set_data("data");
  message.mutable_bytes()->set_last(true);
  const std::string theirs = message.SerializeAsString();
  EXPECT_FALSE(read_home_bytes(theirs, theirs.size()));
  message.set_unsent(7);
  const std::string unsent = message.SerializeAsString();
  EXPECT_FALSE(read_home_bytes(unsent, unsent.size()));
  const std::string ours = home_bytes_head({7, 1000, true}, 4) + "data";
  for (size_t size = 0; size < ours.size(); ++size) {
    EXPECT_FALSE(read_home_bytes(ours.substr(0, size), size)) << size;
  }
  EXPECT_FALSE(read_home_bytes(ours + "x", ours.size() + 1));
}

}  // namespace
}  // namespace devrun::wire
