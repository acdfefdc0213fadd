#include "tests/unit/agent/volume/fake_kernel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace devrun::volume {

namespace {
constexpr uint32_t kHasResend2 = 1u << 7;
constexpr size_t kReplyBytesMax = 2 << 20;
}  // namespace

FakeKernel::FakeKernel() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  kernel_ = UniqueFd(ends[0]);
  server_ = UniqueFd(ends[1]);
  const int room = 4 << 20;
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  const timeval patience{20, 0};
  ::setsockopt(kernel_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

FakeKernel::~FakeKernel() {
  ::shutdown(kernel_.get(), SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
}

void FakeKernel::serve(Vfs& vfs, MountState& state, FuseFront::Options options) {
  auto front = FuseFront::open(std::move(server_), vfs, state, std::move(options));
  ASSERT_TRUE(front.has_value()) << front.error().message;
  front_ = std::move(*front);
  // How the end of a socket shows in libfuse's loop does not matter.
  thread_ = std::jthread([this] { (void)front_->serve(); });
}

void FakeKernel::send_as(uint64_t unique, uint32_t opcode, uint64_t node, const std::string& body) {
  fuse_in_header header{};
  header.len = static_cast<uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = unique;
  header.nodeid = node;
  const std::string whole = bytes_of(header) + body;
  EXPECT_EQ(::write(kernel_.get(), whole.data(), whole.size()), static_cast<ssize_t>(whole.size()));
}

uint64_t FakeKernel::send(uint32_t opcode, uint64_t node, const std::string& body) {
  unique_ += 2;  // odd ones are interrupts
  send_as(unique_, opcode, node, body);
  return unique_;
}

uint64_t FakeKernel::send_again(uint32_t opcode, uint64_t node, const std::string& body) {
  unique_ += 2;
  send_as(unique_ | uint64_t{1} << 63, opcode, node, body);
  return unique_ | uint64_t{1} << 63;
}

void FakeKernel::receive() {
  std::string bytes(kReplyBytesMax, '\0');
  const ssize_t n = ::read(kernel_.get(), bytes.data(), bytes.size());
  ASSERT_GE(n, static_cast<ssize_t>(sizeof(fuse_out_header))) << "no reply comes";
  bytes.resize(static_cast<size_t>(n));
  fuse_out_header header{};
  bytes.copy(reinterpret_cast<char*>(&header), sizeof header);
  EXPECT_EQ(header.len, bytes.size());
  if (header.unique == 0) {
    notifications_.push_back(header.error);
  } else {
    EXPECT_FALSE(replies_.contains(header.unique)) << "answered twice";
    replies_[header.unique] = {-header.error, bytes.substr(sizeof header)};
  }
}

Reply FakeKernel::await(uint64_t unique) {
  while (!replies_.contains(unique)) {
    receive();
    if (::testing::Test::HasFatalFailure()) return {};
  }
  return replies_[unique];
}

int FakeKernel::await_notification() {
  while (notifications_.empty()) {
    receive();
    if (::testing::Test::HasFatalFailure()) return 0;
  }
  const int out = notifications_.front();
  notifications_.erase(notifications_.begin());
  return out;
}

Reply FakeKernel::init(bool resends) {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  in.max_readahead = 1 << 20;
  in.flags = FUSE_ASYNC_READ | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
             FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_EXPORT_SUPPORT |
             FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_INIT_EXT;
  in.flags2 = resends ? kHasResend2 : 0;
  return ask(FUSE_INIT, 0, bytes_of(in));
}

Reply FakeKernel::read(uint64_t node, uint64_t offset, uint32_t size, uint32_t opcode) {
  fuse_read_in in{};
  in.offset = offset;
  in.size = size;
  return ask(opcode, node, bytes_of(in));
}

}  // namespace devrun::volume
