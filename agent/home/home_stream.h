// One BringHome call on the wire (agent.proto): messages as protobuf has them, but the bytes of files without a copy. Encrypting takes
// them where they were read to, and the memory is used again after that.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/sync_stream.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "devrun/v1/agent.pb.h"

namespace devrun::home {

inline constexpr size_t kBlockBytes = 1 << 20;

// Memory for some blocks, which goes round between whoever reads files and gRPC. Any thread.
class BlockMemory : public std::enable_shared_from_this<BlockMemory> {
 public:
  static std::shared_ptr<BlockMemory> make(size_t blocks_max);

  // kBlockBytes that come back when the last copy goes. Waits for some; null once closed.
  std::shared_ptr<char> take();
  // Nobody waits any more.
  void close();

 private:
  explicit BlockMemory(size_t blocks_max) : blocks_max_(blocks_max) {}
  void give_back(char* block);

  const size_t blocks_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t made_ = 0;
  bool closed_ = false;
  std::vector<std::unique_ptr<char[]>> free_;
};

// Bytes of one file: HomeBytes.
struct Block {
  uint64_t entry = 0;
  uint64_t zeros = 0;  // before the data
  std::shared_ptr<char> data;
  size_t bytes = 0;
  bool last = false;
};

// One thread writes, one reads; the last three once both have come to their end.
class HomeStream {
 public:
  HomeStream(const std::shared_ptr<grpc::Channel>& controller, grpc::ClientContext& context);

  // False: the call is broken; finish() says why.
  bool write(const devrun::v1::HomeUp& message);
  bool write(Block block);
  bool read(devrun::v1::HomeDown& message);
  void writes_done();
  grpc::Status finish();

 private:
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

}  // namespace devrun::home
