// The shim's parts by themselves; whole shims with containers are in tests/unit/agent/sandbox.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/shim/container_order.h"
#include "agent/shim/launch.h"
#include "agent/shim/output_log.h"
#include "agent/shim/process_file.h"
#include "agent/shim/shim_wire.h"
#include "agent/shim/stdin_buffer.h"
#include "common/runtime/file.h"

namespace devrun::shim {
namespace {

class Folder {
 public:
  Folder() { EXPECT_NE(::mkdtemp(name_), nullptr); }
  ~Folder() {
    ::umount2(name_, MNT_DETACH);
    for (const char* file : {"log", "pid", "exit"}) ::unlink((path() + "/" + file).c_str());
    ::rmdir(name_);
  }
  std::string path() const { return name_; }

 private:
  char name_[32] = "/tmp/devrun-shim-XXXXXX";
};

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
Pipe make_pipe() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}
std::string drain(int fd) {
  std::string out(1 << 20, '\0');
  const ssize_t n = ::read(fd, out.data(), out.size());
  out.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return out;
}

TEST(OutputLogTest, RecordsAreAsTheProtocolHasThem) {
  const Folder folder;
  OutputLog log = *OutputLog::open(folder.path() + "/log");
  log.append(Stream::kStderr, "abc", Time{0x0102030405060708});
  EXPECT_EQ(log.bytes(), 19u);
  EXPECT_EQ(*read_file(folder.path() + "/log"),
            std::string("\x02\0\0\0\x03\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"
                        "abc",
                        19));
}

TEST(OutputLogTest, BeyondItsLimitOnlyTheEndIsKept) {
  const Folder folder;
  constexpr uint64_t kLimit = 100'000;
  OutputLog log = *OutputLog::open(folder.path() + "/log", kLimit);
  const std::string block(60'000, 'x');
  log.append(Stream::kStdout, block, Time{1});
  EXPECT_EQ(log.bytes(), 60'016u);
  for (int i = 0; i < 50; ++i) log.append(Stream::kStdout, block, Time{2});
  EXPECT_LT(log.bytes(), kLimit) << "only the mark has been added";
  log.append(Stream::kStderr, "the last words", Time{3});
  log.finish();
  const std::string bytes = *read_file(folder.path() + "/log");
  EXPECT_TRUE(bytes.ends_with("the last words"));
  EXPECT_LT(bytes.size(), kLimit + kTailBytesMax + 1000);
  const size_t cut = bytes.find("the output was cut here");
  const size_t left_out = bytes.find(" bytes of output are left out here");
  ASSERT_NE(cut, std::string::npos);
  ASSERT_NE(left_out, std::string::npos);
  EXPECT_EQ(bytes[cut - kRecordHeaderBytes], '\x03');
  // What is missing and what is there make the whole.
  const size_t digits = bytes.rfind(std::string("\0\0", 2), left_out);
  const auto missing = std::stoul(bytes.substr(bytes.find_first_of("0123456789", digits)));
  const auto kept = static_cast<size_t>(std::count(bytes.begin(), bytes.end(), 'x'));
  EXPECT_EQ(missing + kept, 51u * 60'000u);
}

TEST(OutputLogTest, AFullDiskDelaysAndLosesNothing) {
  const Folder folder;
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "needs root";
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount("x", folder.path().c_str(), "tmpfs", 0, "size=128k"), 0);
  OutputLog log = *OutputLog::open(folder.path() + "/log");
  const std::string data(kRecordBytesMax, 'x');
  log.append(Stream::kStdout, data, Time{1});
  ASSERT_FALSE(log.blocked());
  log.append(Stream::kStdout, data, Time{2});
  ASSERT_TRUE(log.blocked());
  log.retry();
  ASSERT_TRUE(log.blocked());
  EXPECT_EQ(log.why_blocked(), "No space left on device");
  ASSERT_EQ(::mount("x", folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=256k"), 0);
  log.retry();
  ASSERT_FALSE(log.blocked());
  const std::string text = *read_file(folder.path() + "/log");
  EXPECT_EQ(text.size(), 2 * (kRecordHeaderBytes + kRecordBytesMax));
  EXPECT_EQ(text.substr(kRecordHeaderBytes, kRecordBytesMax), data);
  EXPECT_EQ(text.substr(2 * kRecordHeaderBytes + kRecordBytesMax), data);
}

TEST(OutputLogTest, GivingUpCutsBackToAWholeRecord) {
  const Folder folder;
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "needs root";
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount("x", folder.path().c_str(), "tmpfs", 0, "size=128k"), 0);
  OutputLog log = *OutputLog::open(folder.path() + "/log");
  const std::string data(kRecordBytesMax, 'x');
  log.append(Stream::kStdout, data, Time{1});
  log.append(Stream::kStdout, data, Time{2});
  ASSERT_TRUE(log.blocked());
  log.cut();
  EXPECT_FALSE(log.blocked());
  EXPECT_EQ(log.bytes(), kRecordHeaderBytes + kRecordBytesMax);
  EXPECT_EQ(read_file(folder.path() + "/log")->size(), log.bytes());
}

TEST(StdinBufferTest, OffsetsMakeRepetitionHarmless) {
  Pipe pipe = make_pipe();
  StdinBuffer buffer;
  buffer.open(std::move(pipe.write), false);
  ASSERT_TRUE(buffer.accept(0, "abc", false));
  ASSERT_TRUE(buffer.accept(1, "bcd", false));
  ASSERT_TRUE(buffer.accept(0, "ab", false));
  EXPECT_EQ(buffer.accept(5, "x", false).error().code, Code::kInvalid);
  buffer.flush();
  EXPECT_EQ(buffer.taken(), 4u);
  EXPECT_EQ(drain(pipe.read.get()), "abcd");
}

TEST(StdinBufferTest, BytesBeforeThePipeIsThereWait) {
  StdinBuffer buffer;
  ASSERT_TRUE(buffer.accept(0, "early", true));
  buffer.flush();
  EXPECT_EQ(buffer.taken(), 0u);
  Pipe pipe = make_pipe();
  buffer.open(std::move(pipe.write), false);
  buffer.flush();
  EXPECT_EQ(drain(pipe.read.get()), "early");
  char byte = 0;
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 0) << "and then its end";
  EXPECT_FALSE(buffer.wants_to_write());
}

TEST(StdinBufferTest, IsBounded) {
  StdinBuffer buffer;
  ASSERT_TRUE(buffer.accept(0, std::string(kStdinBufferBytesMax, 'x'), false));
  EXPECT_EQ(buffer.accept(kStdinBufferBytesMax, "x", false).error().code, Code::kExhausted);
}

TEST(StdinBufferTest, AReaderThatLeavesClosesIt) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe = make_pipe();
  StdinBuffer buffer;
  buffer.open(std::move(pipe.write), false);
  pipe.read.reset();
  ASSERT_TRUE(buffer.accept(0, "x", false));
  buffer.flush();
  EXPECT_TRUE(buffer.closed());
  EXPECT_TRUE(buffer.accept(1, std::string(3 << 20, 'x'), false)) << "the rest is thrown away";
}

TEST(ContainerOrderTest, ComesBackAsItWas) {
  ContainerOrder order;
  order.cwd = "/a\nb";
  order.setup = {"x", ""};
  order.argv = {"\xff", "", "two words"};
  order.env = {"A=1", "B=\xc3"};
  order.tty = true;
  order.terminal = {24, 80};
  order.reads_stdin = true;
  order.uid = 1000;
  order.gid = 44;
  order.changes_ids = true;
  order.groups = {44, 2000};
  order.umask = 027;
  const std::string bytes = encode(order);
  EXPECT_EQ(*parse_container_order(bytes), order);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_container_order(std::string_view(bytes).substr(0, size))) << size;
  }
}

TEST(ContainerOrderTest, OnlyAnIdleOneHasNoProgram) {
  ContainerOrder order;
  EXPECT_FALSE(parse_container_order(encode(order)));
  order.idle = true;
  EXPECT_EQ(*parse_container_order(encode(order)), order);
  order.argv = {"program"};
  EXPECT_FALSE(parse_container_order(encode(order)));
}

TEST(WireTest, StateAndExitComeBackAsTheyWere) {
  ShimState state;
  state.container_pid = 7;
  state.started = Time{1};
  state.first_byte = Time{2};
  state.ended = Time{3};
  state.ending = Ending{EndCause::kExited, 137, "killed by signal 9 (KILL)", "hint"};
  state.stdin_offset = 4;
  state.output_bytes = 5;
  state.setup_done = true;
  const News news = *parse_news(encode(News{state}));
  const ShimState& back = std::get<ShimState>(news);
  EXPECT_EQ(back.container_pid, 7u);
  EXPECT_EQ(back.ending, state.ending);
  EXPECT_EQ(back.ended, state.ended);
  EXPECT_EQ(back.first_byte, state.first_byte);
  EXPECT_EQ(back.stdin_offset, 4u);
  EXPECT_EQ(back.output_bytes, 5u);
  EXPECT_TRUE(back.setup_done);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*parse_news("")));
  EXPECT_FALSE(parse_request("\xff\xff"));
}

TEST(EndingTest, AsAShellTellsIt) {
  EXPECT_EQ(ending_of_status(0), (Ending{EndCause::kExited, 0, "", ""}));
  EXPECT_EQ(ending_of_status(3 << 8).status, 3);
  EXPECT_EQ(ending_of_status(SIGTERM).status, 143);
  EXPECT_EQ(ending_of_status(SIGTERM).reason, "killed by signal 15 (TERM)");
  ContainerOrder order;
  order.argv = {"train"};
  order.setup = {"pip"};
  const InitMessage missing{InitSays::kFailed, InitStage::kProgram, ENOENT};
  EXPECT_EQ(ending_of_failure(missing, order, false).reason, "train: command not found");
  EXPECT_EQ(ending_of_failure(missing, order, true).reason, "pip: command not found");
}

TEST(ProcessFileTest, NamesAProcessAndNotItsPid) {
  const Folder folder;
  const std::string path = folder.path() + "/pid";
  EXPECT_FALSE(*find_process(path));
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ASSERT_TRUE(write_process_file(path, child));
  std::optional<LiveProcess> found = *find_process(path);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, child);
  ASSERT_TRUE(write_file_atomically(path, std::to_string(child) + " 12345\n"));
  EXPECT_FALSE(*find_process(path)) << "another start time is another process";
  EXPECT_TRUE(end_process(*found, seconds(10)));
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), -1) << "it has been reaped";
}

}  // namespace
}  // namespace devrun::shim
