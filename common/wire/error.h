// Errors as they cross the wire: the same words at both ends.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "devrun/v1/job.pb.h"

namespace devrun::wire {

devrun::v1::ErrorDetail to_proto(const Error& error);
Error from_proto(const devrun::v1::ErrorDetail& in);

// For grpc::Status's error_details: the serialized ErrorDetail.
std::string error_details(const Error& error);
// The Error of a failed call: from its details, else from its gRPC code (grpc::StatusCode as a
// number) and message.
Error error_of_call(int grpc_code, const std::string& grpc_message, const std::string& details);
// The grpc::StatusCode (as a number, so that this folder needs no gRPC) that fits a code.
int grpc_code_of(Code code);

}  // namespace devrun::wire
