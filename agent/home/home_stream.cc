#include "agent/home/home_stream.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <array>
#include <utility>

#include "common/wire/home_bytes.h"

namespace devrun::home {

namespace pb = devrun::v1;

namespace {

constexpr char kMethod[] = "/devrun.v1.Agent/BringHome";

template <typename Message>
bool to_buffer(const Message& message, grpc::ByteBuffer& out) {
  bool own = false;
  return grpc::SerializationTraits<Message>::Serialize(message, &out, &own).ok();
}

}  // namespace

std::shared_ptr<BlockMemory> BlockMemory::make(size_t blocks_max) {
  return std::shared_ptr<BlockMemory>(new BlockMemory(blocks_max));
}

std::shared_ptr<char> BlockMemory::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !free_.empty() || made_ < blocks_max_; });
  if (closed_) return nullptr;
  std::unique_ptr<char[]> block;
  if (free_.empty()) {
    block.reset(new char[kBlockBytes]);
    ++made_;
  } else {
    block = std::move(free_.back());
    free_.pop_back();
  }
  return {block.release(), [self = shared_from_this()](char* back) { self->give_back(back); }};
}

void BlockMemory::give_back(char* block) {
  const std::lock_guard lock(mutex_);
  free_.emplace_back(block);
  changed_.notify_one();
}

void BlockMemory::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

HomeStream::HomeStream(const std::shared_ptr<grpc::Channel>& controller,
                       grpc::ClientContext& context)
    : stream_(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          controller.get(),
          grpc::internal::RpcMethod(kMethod, nullptr, grpc::internal::RpcMethod::BIDI_STREAMING,
                                    controller),
          &context)) {}

bool HomeStream::write(const pb::HomeUp& message) {
  grpc::ByteBuffer buffer;
  return to_buffer(message, buffer) && stream_->Write(buffer);
}

bool HomeStream::write(Block block) {
  const std::string head =
      wire::home_bytes_head({block.entry, block.zeros, block.last}, block.bytes);
  std::array<grpc::Slice, 2> slices{grpc::Slice(head), grpc::Slice()};
  if (block.bytes > 0) {
    char* const data = block.data.get();
    auto* const kept = new std::shared_ptr<char>(std::move(block.data));
    slices[1] = grpc::Slice(
        data, block.bytes, [](void* held) { delete static_cast<std::shared_ptr<char>*>(held); },
        kept);
  }
  return stream_->Write(grpc::ByteBuffer(slices.data(), block.bytes > 0 ? 2 : 1));
}

bool HomeStream::read(pb::HomeDown& message) {
  grpc::ByteBuffer buffer;
  if (!stream_->Read(&buffer)) return false;
  return grpc::SerializationTraits<pb::HomeDown>::Deserialize(&buffer, &message).ok();
}

void HomeStream::writes_done() {
  stream_->WritesDone();
}

grpc::Status HomeStream::finish() {
  return stream_->Finish();
}

}  // namespace devrun::home
