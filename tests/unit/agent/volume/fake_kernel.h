// Plays the kernel to a FuseFront over a socketpair: requests in, replies out, as /dev/fuse would
// carry them.
#pragma once

#include <linux/fuse.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/volume/fuse_front.h"

namespace devrun::volume {

struct Reply {
  int error = 0;  // an errno, or 0
  std::string bytes;

  template <typename T>
  T as(size_t at = 0) const {
    T out{};
    if (at + sizeof out <= bytes.size()) bytes.copy(reinterpret_cast<char*>(&out), sizeof out, at);
    return out;
  }
};

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class FakeKernel {
 public:
  FakeKernel();
  ~FakeKernel();  // hangs up, which ends what serve() began

  // The server's end, for a test that plays a server that dies.
  UniqueFd server_end() { return std::move(server_); }
  void take_back(UniqueFd end) { server_ = std::move(end); }
  void serve(Vfs& vfs, MountState& state, FuseFront::Options options);

  uint64_t send(uint32_t opcode, uint64_t node, const std::string& body);
  // Marked as one that another server had taken.
  uint64_t send_again(uint32_t opcode, uint64_t node, const std::string& body);
  Reply await(uint64_t unique);
  Reply ask(uint32_t opcode, uint64_t node, const std::string& body = {}) {
    return await(send(opcode, node, body));
  }
  // The code of the next notification.
  int await_notification();

  Reply init(bool resends);
  Reply lookup(uint64_t folder, const std::string& name) {
    return ask(FUSE_LOOKUP, folder, name + '\0');
  }
  Reply read(uint64_t node, uint64_t offset, uint32_t size, uint32_t opcode = FUSE_READ);

 private:
  void receive();
  void send_as(uint64_t unique, uint32_t opcode, uint64_t node, const std::string& body);

  UniqueFd kernel_;
  UniqueFd server_;
  uint64_t unique_ = 2;
  std::map<uint64_t, Reply> replies_;
  std::vector<int> notifications_;
  std::unique_ptr<FuseFront> front_;
  std::jthread thread_;
};

}  // namespace devrun::volume
