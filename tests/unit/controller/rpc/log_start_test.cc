// Where in an output log to begin; and who counts as having left a job.
#include "controller/rpc/log_start.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "controller/rpc/attendance.h"

namespace devrun::controller {
namespace {

class Start : public ::testing::Test {
 protected:
  Start() {
    char name[] = "/tmp/devrun-log-XXXXXX";
    folder_ = ::mkdtemp(name);
    log_.emplace(folder_ + "/output");
  }
  ~Start() override { std::filesystem::remove_all(folder_); }

  uint64_t add(uint8_t stream, int64_t at, const std::string& text) {
    std::string record(16, '\0');
    record[0] = static_cast<char>(stream);
    const auto length = static_cast<uint32_t>(text.size());
    std::memcpy(record.data() + 4, &length, 4);
    std::memcpy(record.data() + 8, &at, 8);
    const uint64_t offset = log_->length();
    EXPECT_TRUE(log_->append(offset, record + text));
    return offset;
  }
  uint64_t find(const LogStart& start) { return *find_log_start(*log_, log_->length(), start); }

  std::string folder_;
  std::optional<OutputLog> log_;
};

TEST_F(Start, ByLinesOfTheChosenStreams) {
  const uint64_t first = add(1, 1, "one\ntwo\n");
  const uint64_t second = add(2, 2, "error\n");
  const uint64_t third = add(1, 3, "three\nfo");
  const uint64_t fourth = add(1, 4, "ur\nfive");
  EXPECT_EQ(find({}), 0u);
  EXPECT_EQ(find({.lines = 0}), log_->length());
  EXPECT_EQ(find({.lines = 1}),
            third);  // the newline before `five` may be the last, if it gets its own
  EXPECT_EQ(find({.lines = 2}), second);
  EXPECT_EQ(find({.lines = 2, .err = false}), first);
  EXPECT_EQ(find({.lines = 100}), 0u);
  EXPECT_EQ(find({.since = Time{3}}), third);
  EXPECT_EQ(find({.since = Time{9}}), log_->length());
  EXPECT_EQ(find({.lines = 100, .since = Time{4}}), fourth);
  EXPECT_EQ(find({.bytes_max = 30}), fourth);
}

TEST_F(Start, InALargeLogWithRecordsOfAllSizes) {
  std::vector<uint64_t> offsets;
  for (int i = 0; i < 400; ++i) {
    offsets.push_back(
        add(1, i, std::string(static_cast<size_t>(i % 7 == 0 ? 65535 : i), 'x') + "\n"));
  }
  ASSERT_GT(log_->length(), uint64_t{3} << 20);
  for (const uint64_t lines : {1u, 10u, 150u, 398u}) {
    EXPECT_EQ(find({.lines = lines}), offsets[400 - lines - 1]) << lines;
  }
  EXPECT_EQ(find({.since = Time{200}}), offsets[200]);
  // A record that is still being written counts for nothing yet.
  const uint64_t whole = log_->length();
  EXPECT_TRUE(log_->append(whole, std::string("\1\0\0\0\5\0\0\0", 8)));
  EXPECT_EQ(find({.lines = 0}), whole);
}

TEST_F(Start, ADamagedLogIsSaid) {
  EXPECT_TRUE(log_->append(0, std::string(40, '\7')));
  EXPECT_EQ(find_log_start(*log_, log_->length(), {.lines = 1}).error().code, Code::kCorrupt);
}

TEST(Attendance, WhoIsAwayTooLongIsAbandoned) {
  State state;
  const auto job = [&](JobId id, bool cancels) {
    Job& out = state.jobs[id];
    out.id = id;
    out.spec.cancel_on_disconnect = cancels;
    out.spec.disconnect_grace = seconds(60);
  };
  job(1, true);
  job(2, false);
  Attendance attendance;
  const auto at = [](int64_t second) { return Time{second * 1'000'000}; };
  using Jobs = std::vector<JobId>;
  EXPECT_EQ(attendance.abandoned(state, at(0)), Jobs{});
  attendance.came(1);
  attendance.came(1);
  EXPECT_EQ(attendance.abandoned(state, at(100)), Jobs{});
  attendance.left(1, at(100));
  EXPECT_EQ(attendance.abandoned(state, at(200)), Jobs{}) << "one is still there";
  attendance.left(1, at(200));
  EXPECT_EQ(attendance.abandoned(state, at(259)), Jobs{});
  EXPECT_EQ(attendance.abandoned(state, at(260)), Jobs{1});
  state.jobs.at(1).kept = true;
  EXPECT_EQ(attendance.abandoned(state, at(300)), Jobs{});
  // Nobody ever came: counted from when it was first seen.
  job(3, true);
  EXPECT_EQ(attendance.abandoned(state, at(300)), Jobs{});
  EXPECT_EQ(attendance.abandoned(state, at(361)), Jobs{3});
}

}  // namespace
}  // namespace devrun::controller
