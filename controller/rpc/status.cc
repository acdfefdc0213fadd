#include "controller/rpc/status.h"

#include "common/wire/error.h"

namespace devrun::controller {

namespace {

// A status travels in headers, of which gRPC takes 8 KiB: a message with a very long path would lose the whole of it.
constexpr size_t kMessageBytesMax = 1024;

std::string shortened(const std::string& text) {
  if (text.size() <= kMessageBytesMax) return text;
  constexpr size_t kEachEnd = kMessageBytesMax / 2;
  return text.substr(0, kEachEnd) + " … " + text.substr(text.size() - kEachEnd);
}

}  // namespace

grpc::Status to_status(const Error& error) {
  const Error said{error.code, shortened(error.message), shortened(error.hint)};
  return {static_cast<grpc::StatusCode>(wire::grpc_code_of(said.code)), said.message,
          wire::error_details(said)};
}

grpc::Status to_status(const Status& status) {
  return status ? grpc::Status::OK : to_status(status.error());
}

}  // namespace devrun::controller
