#include "common/wire/error.h"

#include <fmt/format.h>

#include "common/base/utf8.h"

namespace devrun::wire {

devrun::v1::ErrorDetail to_proto(const Error& error) {
  devrun::v1::ErrorDetail out;
  out.set_code(static_cast<uint32_t>(error.code));
  out.set_message(in_utf8(error.message));
  out.set_hint(in_utf8(error.hint));
  return out;
}

Error from_proto(const devrun::v1::ErrorDetail& in) {
  const bool known = in.code() >= static_cast<uint32_t>(Code::kInvalid) &&
                     in.code() <= static_cast<uint32_t>(Code::kInternal);
  return {known ? static_cast<Code>(in.code()) : Code::kInternal, in.message(), in.hint()};
}

std::string error_details(const Error& error) {
  return to_proto(error).SerializeAsString();
}

// gRPC's numbers: grpc/impl/codegen/status.h.
int grpc_code_of(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 3;  // INVALID_ARGUMENT
    case Code::kNotFound:
      return 5;  // NOT_FOUND
    case Code::kExists:
      return 6;  // ALREADY_EXISTS
    case Code::kConflict:
      return 9;  // FAILED_PRECONDITION
    case Code::kDenied:
      return 7;  // PERMISSION_DENIED
    case Code::kUnavailable:
      return 14;  // UNAVAILABLE
    case Code::kExhausted:
      return 8;  // RESOURCE_EXHAUSTED
    case Code::kTimeout:
      return 4;  // DEADLINE_EXCEEDED
    case Code::kCancelled:
      return 1;  // CANCELLED
    case Code::kCorrupt:
      return 15;  // DATA_LOSS
    case Code::kUnsupported:
      return 12;  // UNIMPLEMENTED
    case Code::kIo:
    case Code::kInternal:
      return 13;  // INTERNAL
  }
  return 2;
}

Error error_of_call(int grpc_code, const std::string& grpc_message, const std::string& details) {
  devrun::v1::ErrorDetail detail;
  if (!details.empty() && detail.ParseFromString(details) && !detail.message().empty()) {
    return from_proto(detail);
  }
  for (int code = static_cast<int>(Code::kInvalid); code < static_cast<int>(Code::kInternal);
       ++code) {
    if (grpc_code_of(static_cast<Code>(code)) == grpc_code) {
      return {static_cast<Code>(code), grpc_message, {}};
    }
  }
  return {Code::kInternal, fmt::format("{} (gRPC status {})", grpc_message, grpc_code), {}};
}

}  // namespace devrun::wire
