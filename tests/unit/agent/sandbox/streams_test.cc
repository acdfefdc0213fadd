// Bytes, terminals and signals between a link and a program.
#include <filesystem>
#include <random>

#include "common/runtime/file.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

class StreamsTest : public SandboxTest {
 protected:
  std::unique_ptr<shim::ShimLink> link(const AttemptSpec& spec, Ear& ear) {
    return *shim::ShimLink::connect(host_.sandboxes().folder(spec.key), ear.handlers());
  }
  bool out_has(const AttemptSpec& spec, std::string_view text) {
    return eventually([&] { return host_.out(spec.key).find(text) != std::string::npos; });
  }
};

std::string random_bytes(size_t size) {
  std::mt19937_64 random(7);
  std::string out(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    out.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  return out;
}

// Sends as the protocol has it: never more than 1 MiB beyond what was taken.
void send_all(shim::ShimLink& link, Ear& ear, const std::string& data) {
  constexpr size_t kPiece = 256 << 10;
  for (size_t at = 0; at < data.size(); at += kPiece) {
    ASSERT_TRUE(eventually(
        [&] { return at + kPiece <= ear.with([](Ear& e) { return e.taken; }) + (1 << 20); }));
    const std::string_view piece = std::string_view(data).substr(at, kPiece);
    ASSERT_TRUE(link.write_stdin(at, std::string(piece), at + kPiece >= data.size()));
  }
}

TEST_F(StreamsTest, StdoutAndStderrAreApart) {
  const AttemptSpec spec = host_.shell("echo one; echo two >&2; echo three");
  EXPECT_EQ(host_.run(spec).status, 0);
  EXPECT_EQ(host_.out(spec.key), "one\nthree\n");
  EXPECT_EQ(host_.err(spec.key), "two\n");
}

TEST_F(StreamsTest, WithoutStdinItIsEmpty) {
  const AttemptSpec spec = host_.shell("cat; echo end; readlink /proc/self/fd/0");
  EXPECT_EQ(host_.run(spec).status, 0);
  EXPECT_EQ(host_.out(spec.key), "end\n/dev/null\n");
}

TEST_F(StreamsTest, MuchThroughStdinComesOutByteForByte) {
  AttemptSpec spec = host_.shell("dd if=/bin/busybox bs=65536 >&2 2>/dev/null & exec cat");
  spec.program.argv = {"sh", "-c", "cat /bin/busybox >&2 & cat; wait"};
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  const std::string data = random_bytes(100 << 20);
  send_all(*shim, ear, data);
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  EXPECT_TRUE(host_.out(spec.key) == data);
  const Result<std::string> busybox = read_file("/bin/busybox");
  EXPECT_TRUE(host_.err(spec.key) == *busybox);
}

TEST_F(StreamsTest, ANewLinkGoesOnWhereTheOldOneWas) {
  AttemptSpec spec = host_.spec({"cat"});
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear first;
  {
    const auto shim = link(spec, first);
    ASSERT_TRUE(shim->write_stdin(0, "one ", false));
    ASSERT_TRUE(out_has(spec, "one "));
  }
  Ear second;
  const auto shim = link(spec, second);
  ASSERT_TRUE(eventually([&] { return second.with([](Ear& e) { return e.taken; }) == 4; }));
  ASSERT_TRUE(shim->write_stdin(0, "one two", true)) << "the bytes that it has already are ignored";
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  EXPECT_EQ(host_.out(spec.key), "one two");
  EXPECT_TRUE(eventually([&] { return second.with([](Ear& e) { return e.gone; }); }));
  EXPECT_EQ(second.with([](Ear& e) { return e.state.ending; }),
            (Ending{EndCause::kExited, 0, "", ""}));
}

TEST_F(StreamsTest, ASecondLinkTakesOver) {
  AttemptSpec spec = host_.spec({"cat"});
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear first;
  const auto old = link(spec, first);
  Ear second;
  const auto shim = link(spec, second);
  EXPECT_TRUE(eventually([&] { return first.with([](Ear& e) { return e.gone; }); }));
  ASSERT_TRUE(shim->write_stdin(0, "", true));
  EXPECT_EQ(host_.wait(spec.key).status, 0);
}

TEST_F(StreamsTest, AProgramThatReadsNoMoreIsTold) {
  AttemptSpec spec = host_.shell("exec 0<&-; echo closed; sleep 1000");
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  EXPECT_TRUE(eventually([&] { return ear.with([](Ear& e) { return e.stdin_closed; }); }));
  ASSERT_TRUE(shim->kill_all());
  EXPECT_EQ(host_.wait(spec.key).status, 137);
}

TEST_F(StreamsTest, GapsInStdinEndTheConnection) {
  AttemptSpec spec = host_.spec({"cat"});
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  ASSERT_TRUE(shim->write_stdin(5, "late", false));
  EXPECT_TRUE(eventually([&] { return ear.with([](Ear& e) { return e.gone; }); }));
  ASSERT_TRUE(host_.sandboxes().kill(spec.key));
  EXPECT_EQ(host_.wait(spec.key).status, 137);
}

TEST_F(StreamsTest, ATerminalHasItsSizeAndFollowsIt) {
  AttemptSpec spec = host_.shell(
      "tty; stty size; trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.05; done");
  spec.program.tty = true;
  spec.program.terminal = {24, 80};
  spec.program.reads_stdin = true;
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  ASSERT_TRUE(out_has(spec, "ready"));
  EXPECT_EQ(host_.out(spec.key), "/dev/pts/0\r\n24 80\r\nready\r\n");
  ASSERT_TRUE(shim->resize({50, 132}));
  EXPECT_EQ(host_.wait(spec.key).status, 7);
  EXPECT_TRUE(out_has(spec, "50 132"));
}

TEST_F(StreamsTest, AnInteractiveShellHasJobControl) {
  AttemptSpec spec = host_.spec({"sh", "-i"});
  spec.program.tty = true;
  spec.program.terminal = {24, 80};
  spec.program.reads_stdin = true;
  spec.program.caller.uid = 1000;
  spec.program.caller.gid = 1000;
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  // Only what the command itself says proves that the terminal is its own: a Ctrl-C before would be the shell's.
  const std::string first = "sh -c 'echo rea\"\"dy; exec sleep 1000'\n";
  ASSERT_TRUE(shim->write_stdin(0, first, false));
  ASSERT_TRUE(out_has(spec, "ready"));
  uint64_t at = first.size();
  const auto send = [&](const std::string& text) {
    ASSERT_TRUE(shim->write_stdin(at, text, false));
    at += text.size();
  };
  ASSERT_TRUE(eventually([&] {
    send("\x03");
    return host_.out(spec.key).find("^C") != std::string::npos;
  }));
  // A shell that hears of the last Ctrl-C late throws away what was typed meanwhile: type it again, as one would.
  EXPECT_TRUE(eventually([&] {
    send("echo st''ill\n");
    return host_.out(spec.key).find("still") != std::string::npos;
  }));
  EXPECT_EQ(host_.out(spec.key).find("can't access tty"), std::string::npos);
  ASSERT_TRUE(shim->write_stdin(at, "", true)) << "a terminal's end of file";
  host_.wait(spec.key);
}

TEST_F(StreamsTest, SignalsReachTheProgram) {
  const AttemptSpec spec =
      host_.shell("trap 'echo usr; exit 5' USR1; echo ready; while :; do sleep 0.05; done");
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  ASSERT_TRUE(out_has(spec, "ready"));
  ASSERT_TRUE(shim->signal(10));
  EXPECT_EQ(host_.wait(spec.key).status, 5);
}

TEST_F(StreamsTest, TermWithoutAHandlerIs143) {
  const AttemptSpec spec = host_.spec({"sleep", "1000"});
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  ASSERT_TRUE(
      eventually([&] { return ear.with([](Ear& e) { return e.state.container_pid; }) != 0; }));
  ASSERT_TRUE(shim->signal(15));
  EXPECT_EQ(host_.wait(spec.key).status, 143);
}

TEST_F(StreamsTest, KillAllLeavesNothing) {
  const AttemptSpec spec =
      host_.shell("trap '' TERM INT HUP; (setsid sleep 1000 &); echo ready; sleep 1000");
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto shim = link(spec, ear);
  ASSERT_TRUE(out_has(spec, "ready"));
  const uint32_t init = ear.with([](Ear& e) { return e.state.container_pid; });
  const std::string space =
      std::filesystem::read_symlink("/proc/" + std::to_string(init) + "/ns/pid").string();
  ASSERT_TRUE(shim->kill_all());
  EXPECT_EQ(host_.wait(spec.key).status, 137);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code gone;
    const auto other = std::filesystem::read_symlink(entry.path() / "ns/pid", gone);
    EXPECT_NE(other.string(), space) << entry.path();
  }
}

TEST_F(StreamsTest, WhatRunsOnInTheBackgroundEndsWithTheProgram) {
  const AttemptSpec spec = host_.shell("sleep 1000 & echo done");
  EXPECT_EQ(host_.run(spec).status, 0);
  EXPECT_EQ(host_.out(spec.key), "done\n");
}

}  // namespace
}  // namespace devrun::sandbox
