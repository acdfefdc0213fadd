// What the FUSE front answers, and what a restarted one does with its predecessor's requests: a
// socketpair in the place of the kernel, so that no mount is needed.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/unit/agent/volume/fake_kernel.h"
#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

constexpr int kNotifyResend = 7;

class FuseTest : public ::testing::Test {
 protected:
  NodeId prepare(const Digest& tree) {
    const auto out = vfs_.prepare(tree, std::chrono::steady_clock::now() + std::chrono::seconds(5));
    EXPECT_TRUE(out.has_value()) << out.error().message;
    return out->root;
  }
  void serve(FuseFront::Options options = {}) {
    kernel_.serve(vfs_, state_->mount(options.xattrs), options);
  }
  // The entry that a LOOKUP found.
  fuse_entry_out find(uint64_t folder, const std::string& name) {
    const Reply reply = kernel_.lookup(folder, name);
    EXPECT_EQ(reply.error, 0) << name;
    return reply.as<fuse_entry_out>();
  }

  MemoryStore store_;
  std::unique_ptr<NodeState> state_ = std::move(*NodeState::create(""));
  Vfs vfs_{store_, nullptr, {}, *state_};
  FakeKernel kernel_;
};

TEST_F(FuseTest, AgreesOnWhatLetsTheKernelKeepEverything) {
  serve();
  const Reply reply = kernel_.init(true);
  ASSERT_EQ(reply.error, 0);
  const auto out = reply.as<fuse_init_out>();
  for (const uint32_t flag : {FUSE_CACHE_SYMLINKS, FUSE_PARALLEL_DIROPS, FUSE_ASYNC_READ,
                              FUSE_EXPORT_SUPPORT, FUSE_DO_READDIRPLUS}) {
    EXPECT_TRUE(out.flags & flag) << flag;
  }
  EXPECT_FALSE(out.flags & FUSE_AUTO_INVAL_DATA);
  EXPECT_EQ(out.max_background, 256);
  for (const uint32_t never_again : {FUSE_OPEN, FUSE_OPENDIR}) {
    EXPECT_EQ(kernel_.ask(never_again, 1, bytes_of(fuse_open_in{})).error, ENOSYS);
  }
  EXPECT_EQ(kernel_.ask(FUSE_FLUSH, 1, bytes_of(fuse_flush_in{})).error, ENOSYS);
  EXPECT_EQ(kernel_.ask(FUSE_GETXATTR, 1, bytes_of(fuse_getxattr_in{}) + std::string("user.x\0", 7))
                .error,
            ENOSYS);
  EXPECT_EQ(kernel_.ask(4711, 1).error, ENOSYS);
  EXPECT_EQ(kernel_.ask(FUSE_UNLINK, 1, std::string("x\0", 2)).error, ENOSYS);
}

TEST_F(FuseTest, NamesAreKeptForEverAndMissingOnesToo) {
  TreeBuilder tree(store_);
  const Digest id = tree.finish({tree.folder("etc", {file(store_, "hosts", "x", 11)}, 10)});
  serve();
  kernel_.init(true);
  EXPECT_EQ(kernel_.lookup(kRootNode, id.hex()).error, ENOENT);  // and not kept
  prepare(id);
  const uint64_t root = find(kRootNode, id.hex()).nodeid;
  const auto etc = find(root, "etc");
  EXPECT_GT(etc.entry_valid, 900'000'000u);
  EXPECT_GT(etc.attr_valid, 900'000'000u);
  EXPECT_EQ(etc.attr.ino, 10u);
  EXPECT_TRUE(S_ISDIR(etc.attr.mode));
  const auto missing = find(root, "nothing");
  EXPECT_EQ(missing.nodeid, 0u);
  EXPECT_GT(missing.entry_valid, 900'000'000u);
  const auto hosts = find(etc.nodeid, "hosts");
  EXPECT_EQ(find(hosts.nodeid, ".").nodeid, hosts.nodeid);
  EXPECT_EQ(kernel_.lookup(hosts.nodeid, "below-a-file").error, ENOTDIR);
  EXPECT_EQ(kernel_.lookup(root, std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(kernel_.lookup(1 << 20, ".").error, ESTALE);
  EXPECT_EQ(kernel_.ask(FUSE_GETATTR, 1 << 20, bytes_of(fuse_getattr_in{})).error, ENOENT);
  EXPECT_EQ(kernel_.ask(FUSE_READLINK, hosts.nodeid).error, EINVAL);
}

TEST_F(FuseTest, ReadsWhatIsAskedForAndDamageIsAnError) {
  TreeBuilder tree(store_);
  const std::string text = long_text(2'500'000, 'r');
  const tree::Entry bad = file(store_, "bad", long_text(9000, 'b'), 5);
  const Digest id = tree.finish({bad, file(store_, "big", text, 6)});
  store_.put(tree::body_path(bad.body), long_text(9000, 'c'));
  serve();
  kernel_.init(true);
  prepare(id);
  const uint64_t root = find(kRootNode, id.hex()).nodeid;
  const uint64_t big = find(root, "big").nodeid;
  EXPECT_EQ(kernel_.read(big, 0, 100).bytes, text.substr(0, 100));
  EXPECT_TRUE(kernel_.read(big, 1'000'000, 131'072).bytes == text.substr(1'000'000, 131'072));
  EXPECT_EQ(kernel_.read(big, 2'499'990, 4096).bytes, text.substr(2'499'990));
  EXPECT_EQ(kernel_.read(big, 3'000'000, 4096).bytes, "");
  EXPECT_EQ(kernel_.read(find(root, "bad").nodeid, 0, 100).error, EIO);
  EXPECT_EQ(kernel_.read(root, 0, 100).error, EINVAL);
}

TEST_F(FuseTest, ListsAFolderPageByPage) {
  TreeBuilder tree(store_);
  std::vector<tree::Entry> entries;
  std::set<std::string> names{".", ".."};
  for (int i = 0; i < 100; ++i) {
    const std::string name = fmt::format("name-{:03}", i);
    entries.push_back(file(store_, name, "x", static_cast<uint64_t>(100 + i)));
    names.insert(name);
  }
  const Digest id = tree.finish(std::move(entries));
  serve();
  kernel_.init(true);
  prepare(id);
  const uint64_t root = find(kRootNode, id.hex()).nodeid;
  for (const uint32_t opcode : {FUSE_READDIR, FUSE_READDIRPLUS}) {
    std::set<std::string> seen;
    uint64_t offset = 0;
    for (;;) {
      const Reply page = kernel_.read(root, offset, 1000, opcode);
      ASSERT_EQ(page.error, 0);
      if (page.bytes.empty()) break;
      EXPECT_LE(page.bytes.size(), 1000u);
      for (size_t at = 0; at < page.bytes.size();) {
        if (opcode == FUSE_READDIRPLUS) at += sizeof(fuse_entry_out);
        const auto entry = page.as<fuse_dirent>(at);
        const std::string name = page.bytes.substr(at + offsetof(fuse_dirent, name), entry.namelen);
        EXPECT_TRUE(seen.insert(name).second) << name;
        offset = entry.off;
        at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
      }
    }
    EXPECT_EQ(seen, names);
  }
}

TEST_F(FuseTest, TellsHolesByTheirHashes) {
  TreeBuilder tree(store_);
  std::string sparse(3'000'000, '\0');
  sparse[1'500'000] = 'x';
  const Digest id = tree.finish({file(store_, "sparse", sparse, 5), file(store_, "small", "x", 6)});
  serve();
  kernel_.init(true);
  prepare(id);
  const uint64_t root = find(kRootNode, id.hex()).nodeid;
  const auto seek = [&](const char* name, uint64_t offset, uint32_t whence) {
    fuse_lseek_in in{};
    in.offset = offset;
    in.whence = whence;
    const Reply reply = kernel_.ask(FUSE_LSEEK, find(root, name).nodeid, bytes_of(in));
    return reply.error != 0 ? -reply.error
                            : static_cast<int64_t>(reply.as<fuse_lseek_out>().offset);
  };
  EXPECT_EQ(seek("sparse", 0, SEEK_DATA), 1 << 20);
  EXPECT_EQ(seek("sparse", 1 << 20, SEEK_HOLE), 2 << 20);
  EXPECT_EQ(seek("sparse", 2'500'000, SEEK_DATA), -ENXIO);
  EXPECT_EQ(seek("small", 0, SEEK_DATA), 0);
  EXPECT_EQ(seek("small", 0, SEEK_HOLE), 1);
  EXPECT_EQ(seek("small", 1, SEEK_HOLE), -ENXIO);
}

// A server that was killed: it took the requests and is no more.
void take_and_die(int server_end, MountState& state, int count) {
  TakenRequests dead(state);
  std::string buffer(1 << 20, '\0');
  for (int i = 0; i < count; ++i) {
    ASSERT_GT(dead.read(server_end, buffer.data(), buffer.size()), 0);
  }
}

// A slot is left just after its answer was written.
void await_none_unanswered(MountState& state) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!TakenRequests(state).unanswered().empty()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

TEST_F(FuseTest, WhatADeadServerTookIsAnsweredByTheNext) {
  TreeBuilder tree(store_);
  const Digest id = tree.finish({file(store_, "f", "here", 5)});
  const NodeId root = prepare(id);
  const NodeId node = (*vfs_.lookup(root, "f"))->node;
  MountState& state = state_->mount(false);
  UniqueFd end = kernel_.server_end();
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  in.flags = FUSE_MAX_PAGES;
  kernel_.send(FUSE_INIT, 0, bytes_of(in));
  fuse_read_in read{};
  read.size = 100;
  const uint64_t bytes = kernel_.send(FUSE_READ, node, bytes_of(read));
  const uint64_t there = kernel_.send(FUSE_LOOKUP, root, std::string("f\0", 2));
  kernel_.send(FUSE_FORGET, root, bytes_of(fuse_forget_in{1}));  // wants no answer
  const uint64_t missing = kernel_.send(FUSE_LOOKUP, root, std::string("g\0", 2));
  take_and_die(end.get(), state, 5);
  kernel_.take_back(std::move(end));
  serve();
  EXPECT_EQ(kernel_.await(bytes).bytes, "here");
  EXPECT_EQ(kernel_.await(there).as<fuse_entry_out>().nodeid, node);
  EXPECT_EQ(kernel_.await(missing).as<fuse_entry_out>().nodeid, 0u);
  EXPECT_EQ(find(root, "f").nodeid, node);  // it goes on
  await_none_unanswered(state);
}

TEST_F(FuseTest, OrTheKernelIsAskedToSendItAgain) {
  TreeBuilder tree(store_);
  const Digest id = tree.finish({file(store_, "f", "here", 5)});
  const NodeId root = prepare(id);
  MountState& state = state_->mount(false);
  UniqueFd end = kernel_.server_end();
  fuse_init_in in{};
  in.major = 7;
  in.minor = 40;
  in.flags = FUSE_MAX_PAGES | FUSE_INIT_EXT;
  in.flags2 = 1u << 7;
  kernel_.send(FUSE_INIT, 0, bytes_of(in));
  kernel_.send(FUSE_LOOKUP, root, std::string("f\0", 2));
  take_and_die(end.get(), state, 2);
  kernel_.take_back(std::move(end));
  serve();
  // Before it, the root's listing is said to be out of date.
  while (kernel_.await_notification() != kNotifyResend) ASSERT_FALSE(HasFatalFailure());
  // As the kernel sends it again: with the highest bit of the number set.
  const uint64_t again = kernel_.send_again(FUSE_LOOKUP, root, std::string("f\0", 2));
  EXPECT_NE(kernel_.await(again).as<fuse_entry_out>().nodeid, 0u);
  await_none_unanswered(state);
}

}  // namespace
}  // namespace devrun::volume
