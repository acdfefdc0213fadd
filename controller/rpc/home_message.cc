#include "controller/rpc/home_message.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <string>

#include "common/base/check.h"

namespace devrun::controller {

namespace {

constexpr size_t kHeadBytesMax = 64;

std::string_view view_of(const grpc::Slice& slice) {
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// The first bytes, which may lie in several slices.
std::string start_of(const std::vector<grpc::Slice>& slices) {
  std::string out;
  for (const grpc::Slice& slice : slices) {
    if (out.size() >= kHeadBytesMax) break;
    out += view_of(slice).substr(0, kHeadBytesMax - out.size());
  }
  return out;
}

}  // namespace

Result<HomeMessage> read_message(grpc::ByteBuffer& message) {
  FileBytes bytes;
  if (!message.Dump(&bytes.slices).ok()) return Error{Code::kInvalid, "an empty message", {}};
  const auto start = wire::read_home_bytes(start_of(bytes.slices), message.Length());
  if (start) {
    bytes.head = start->head;
    size_t skip = start->data_at;
    for (const grpc::Slice& slice : bytes.slices) {
      const std::string_view piece = view_of(slice).substr(std::min(skip, slice.size()));
      skip -= std::min(skip, slice.size());
      if (!piece.empty()) bytes.pieces.push_back(piece);
    }
    return HomeMessage(std::move(bytes));
  }
  devrun::v1::HomeUp out;
  if (!grpc::SerializationTraits<devrun::v1::HomeUp>::Deserialize(&message, &out).ok()) {
    return Error{Code::kInvalid, "no message of BringHome", {}};
  }
  if (!out.has_bytes()) return HomeMessage(std::move(out));
  // As others write it.
  bytes.head = {out.bytes().entry(), out.bytes().zeros(), out.bytes().last()};
  bytes.slices = {grpc::Slice(out.bytes().data())};
  bytes.pieces = {view_of(bytes.slices[0])};
  return HomeMessage(std::move(bytes));
}

grpc::ByteBuffer to_buffer(const devrun::v1::HomeDown& message) {
  grpc::ByteBuffer out;
  bool own = false;
  CHECK(grpc::SerializationTraits<devrun::v1::HomeDown>::Serialize(message, &out, &own).ok());
  return out;
}

}  // namespace devrun::controller
