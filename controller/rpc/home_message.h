// A message of BringHome as it came off the wire. Bytes of files stay where gRPC put them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/wire/home_bytes.h"
#include "devrun/v1/agent.pb.h"

namespace devrun::controller {

// HomeBytes: its data in pieces, and what holds them.
struct FileBytes {
  wire::HomeBytesHead head;
  std::vector<std::string_view> pieces;
  std::vector<grpc::Slice> slices;
};
using HomeMessage = std::variant<devrun::v1::HomeUp, FileBytes>;

// kInvalid for what is no HomeUp.
Result<HomeMessage> read_message(grpc::ByteBuffer& message);

grpc::ByteBuffer to_buffer(const devrun::v1::HomeDown& message);

}  // namespace devrun::controller
