#include "cli/client/record_decoder.h"

#include <gtest/gtest.h>

#include <cstring>

namespace devrun::cli {
namespace {

std::string record(uint8_t stream, std::string_view text) {
  std::string out(16, '\0');
  out[0] = static_cast<char>(stream);
  const auto length = static_cast<uint32_t>(text.size());
  std::memcpy(out.data() + 4, &length, sizeof length);
  out[8] = 7;
  return out + std::string(text);
}

struct Seen {
  std::string streams[4];
  int completed = 0;
  RecordDecoder::Sink sink() {
    return [this](const OutputPiece& piece) -> Status {
      streams[static_cast<int>(piece.stream)] += piece.bytes;
      EXPECT_TRUE(piece.completes || piece.stream != OutputStream::kMark);
      completed += piece.completes ? 1 : 0;
      EXPECT_EQ(piece.at_us, 7);
      return ok();
    };
  }
};

const std::string kLog =
    record(1, "out") + record(2, "error") + record(1, "") + record(3, "mark") + record(1, "!");

TEST(RecordDecoder, CutAtAnyTwoBytes) {
  for (size_t a = 0; a <= kLog.size(); ++a) {
    for (size_t b = a; b <= kLog.size(); ++b) {
      RecordDecoder decoder;
      Seen seen;
      const std::string_view log = kLog;
      ASSERT_TRUE(decoder.feed(log.substr(0, a), seen.sink()));
      ASSERT_EQ(decoder.offset(), a);
      ASSERT_TRUE(decoder.feed(log.substr(a, b - a), seen.sink()));
      ASSERT_TRUE(decoder.feed(log.substr(b), seen.sink()));
      ASSERT_EQ(decoder.offset(), kLog.size());
      EXPECT_EQ(seen.streams[1], "out!");
      EXPECT_EQ(seen.streams[2], "error");
      EXPECT_EQ(seen.streams[3], "mark");
      EXPECT_EQ(seen.completed, 4);
    }
  }
}

TEST(RecordDecoder, ByteByByte) {
  RecordDecoder decoder;
  Seen seen;
  for (const char c : kLog) ASSERT_TRUE(decoder.feed({&c, 1}, seen.sink()));
  EXPECT_EQ(seen.streams[1], "out!");
}

TEST(RecordDecoder, RefusesWhatIsNoRecord) {
  for (const size_t at : {0, 1, 2, 3}) {
    std::string log = record(1, "x");
    log[at] = 9;
    Seen seen;
    const Status fed = RecordDecoder().feed(log, seen.sink());
    ASSERT_FALSE(fed) << at;
    EXPECT_EQ(fed.error().code, Code::kCorrupt);
    EXPECT_EQ(fed.error().message, "the output log has no record at byte 0");
  }
  std::string too_long = record(1, "x");
  too_long[6] = 2;  // 128 KiB
  Seen seen;
  EXPECT_FALSE(RecordDecoder().feed(too_long, seen.sink()));
}

TEST(RecordDecoder, ASinkThatFailsEndsIt) {
  RecordDecoder decoder;
  const Status fed = decoder.feed(kLog, [](const OutputPiece&) -> Status {
    return Error{Code::kIo, "full", {}};
  });
  ASSERT_FALSE(fed);
  EXPECT_EQ(decoder.offset(), 19u);  // the first header and the piece that was passed on
}

}  // namespace
}  // namespace devrun::cli
