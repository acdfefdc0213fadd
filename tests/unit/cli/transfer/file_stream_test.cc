// Files as a stream: what is sent arrives, and a sender that lies leads nowhere.
#include "cli/transfer/file_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/runtime/file.h"

namespace devrun::cli {
namespace {

namespace fs = std::filesystem;

class FileStream : public ::testing::Test {
 protected:
  FileStream() {
    std::signal(SIGPIPE, SIG_IGN);  // as the programs do: a receiver that refuses leaves its sender
    char name[] = "/tmp/devrun-transfer-XXXXXX";
    folder_ = ::mkdtemp(name);
    fs::create_directory(folder_ / "here");
  }
  ~FileStream() override { fs::remove_all(folder_); }

  static std::string text(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }
  static void write(const fs::path& path, const std::string& bytes) {
    std::ofstream(path) << bytes;
  }

  Result<Copied> copy(const fs::path& from, const fs::path& to, const std::string& name) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    UniqueFd in(fds[0]);
    std::thread sender([&, out = UniqueFd(fds[1])] {
      sent_ = send_files(from, out.get(), [this](const std::string& word) { words_ += word; });
    });
    Result<Copied> copied = receive_files(in.get(), to, name);
    in.reset();
    sender.join();
    return copied;
  }
  Result<Copied> receive(const std::string& stream) {
    write(folder_ / "stream", stream);
    const UniqueFd in(::open((folder_ / "stream").c_str(), O_RDONLY));
    return receive_files(in.get(), folder_ / "here", "x");
  }

  static std::string number(uint32_t value) { return {reinterpret_cast<char*>(&value), 4}; }
  static std::string entry(char kind, const std::string& path) {
    return kind + number(0755) + std::string(8, '\0') + number(static_cast<uint32_t>(path.size())) +
           path;
  }
  static std::string sized(const std::string& bytes) {
    return number(static_cast<uint32_t>(bytes.size())) + bytes;
  }

  fs::path folder_;
  Status sent_ = ok();
  std::string words_;
};

TEST_F(FileStream, CarriesATreeWithItsModesTimesAndLinks) {
  const fs::path tree = folder_ / "tree";
  fs::create_directories(tree / "deep/empty");
  write(tree / "big", std::string(300'000, 'b'));
  write(tree / "deep/small", "s");
  fs::create_symlink("/nowhere", tree / "link");
  ::mkfifo((tree / "pipe").c_str(), 0600);
  ::chmod((tree / "deep").c_str(), 0500);
  const timespec times[2] = {{0, UTIME_OMIT}, {1'000'000'000, 123}};
  ::utimensat(AT_FDCWD, (tree / "deep/small").c_str(), times, 0);
  const auto copied = copy(tree, folder_ / "here", "copy");
  ASSERT_TRUE(copied) << copied.error().message;
  ASSERT_TRUE(sent_);
  EXPECT_EQ(copied->files, 3u);
  EXPECT_EQ(copied->bytes, 300'001u);
  const fs::path there = folder_ / "here/copy";
  EXPECT_EQ(text(there / "big"), std::string(300'000, 'b'));
  EXPECT_EQ(fs::read_symlink(there / "link"), "/nowhere");
  EXPECT_TRUE(fs::is_directory(there / "deep/empty"));
  EXPECT_FALSE(fs::exists(there / "pipe"));
  EXPECT_NE(words_.find("pipe"), std::string::npos);
  struct stat st {};
  ASSERT_EQ(::stat((there / "deep/small").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(st.st_mtim.tv_nsec, 123);
  ASSERT_EQ(::stat((there / "deep").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0500u);
  ::chmod((there / "deep").c_str(), 0700);
  ::chmod((tree / "deep").c_str(), 0700);
}

TEST_F(FileStream, HolesStayHoles) {
  const fs::path file = folder_ / "sparse";
  const uint64_t size = (uint64_t{10} << 30) + 5;
  {
    const UniqueFd fd(::open(file.c_str(), O_CREAT | O_RDWR, 0644));
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    for (const off_t at : {off_t{0}, off_t{200'000}, off_t{1} << 32}) {
      ASSERT_EQ(::pwrite(fd.get(), "data", 4, at), 4);
    }
  }
  const auto copied = copy(file, folder_ / "here", "sparse");
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->bytes, size);
  struct stat st {};
  ASSERT_EQ(::stat((folder_ / "here/sparse").c_str(), &st), 0);
  EXPECT_EQ(static_cast<uint64_t>(st.st_size), size);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  const UniqueFd there(::open((folder_ / "here/sparse").c_str(), O_RDONLY));
  for (const off_t at : {off_t{0}, off_t{200'000}, off_t{1} << 32}) {
    std::string bytes(4, '-');
    ASSERT_EQ(::pread(there.get(), bytes.data(), bytes.size(), at), 4);
    EXPECT_EQ(bytes, "data");
  }
  EXPECT_FALSE(receive("DRCP1\n" + entry('f', "") + number(kHolePiece) + std::string(8, '\xff')));
}

TEST_F(FileStream, WhatEndsEarlyLeavesWhatWasThere) {
  write(folder_ / "here/x", "whole");
  const std::string begun = "DRCP1\n" + entry('f', "") + sized("hal");
  EXPECT_FALSE(receive(begun));
  EXPECT_EQ(text(folder_ / "here/x"), "whole");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "here"), fs::directory_iterator()), 1);
  EXPECT_TRUE(receive(begun + sized("f") + number(0) + "e"));
  EXPECT_EQ(text(folder_ / "here/x"), "half");
}

TEST_F(FileStream, TakesTheNameThatIsGivenAndReplacesFilesAlone) {
  write(folder_ / "one", "1");
  ASSERT_TRUE(copy(folder_ / "one", folder_ / "here", "one"));
  EXPECT_EQ(text(folder_ / "here/one"), "1");
  write(folder_ / "one", "2");
  ASSERT_TRUE(copy(folder_ / "one", folder_ / "here/one", "one"));
  EXPECT_EQ(text(folder_ / "here/one"), "2");
  fs::create_directories(folder_ / "here/folder/one");
  const auto refused = copy(folder_ / "one", folder_ / "here/folder", "one");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExists);
  EXPECT_FALSE(copy(folder_ / "one", folder_ / "no/such/place", "one"));
  EXPECT_FALSE(copy(folder_ / "nothing", folder_ / "here", "nothing"));
  EXPECT_EQ(sent_.error().code, Code::kNotFound);
}

TEST_F(FileStream, ASenderThatLiesWritesNothingElsewhere) {
  const fs::path outside = folder_ / "outside";
  fs::create_directory(outside);
  const std::string begin = "DRCP1\n" + entry('d', "");
  const std::string body = sized("bad") + number(0);
  // Through a link of its own making, by a name that leads up, by an absolute one, and over a link.
  const std::string streams[] = {
      begin + entry('l', "a") + sized(outside.string()) + entry('f', "a/escape") + body + "e",
      begin + entry('f', "../../outside/escape") + body + "e",
      begin + entry('f', outside.string() + "/escape") + body + "e",
      begin + entry('d', "..") + entry('f', "../escape") + body + "e",
      begin + entry('l', "a") + sized((outside / "escape").string()) + entry('f', "a") + body + "e",
      begin + entry('f', "a") + number(0x7fffffff) + "e",
      "DRCP1\n" + entry('f', "") + sized("bad"),
      "something else"};
  for (const std::string& stream : streams) {
    (void)receive(stream);
    EXPECT_TRUE(fs::is_empty(outside)) << stream;
    EXPECT_FALSE(fs::exists(folder_ / "escape"));
    fs::remove_all(folder_ / "here/x");
  }
}

}  // namespace
}  // namespace devrun::cli
