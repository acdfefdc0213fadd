#include "common/base/result.h"

#include <fmt/format.h>

#include <cstring>

#include "common/base/check.h"

namespace devrun {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not found";
    case Code::kExists:
      return "exists";
    case Code::kConflict:
      return "conflict";
    case Code::kDenied:
      return "denied";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kExhausted:
      return "exhausted";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
      return "cancelled";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kIo:
      return "io";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kInternal:
      return "internal";
  }
  return "unknown";
}

Error Error::context(std::string_view doing) && {
  message = fmt::format("{}: {}", doing, message);
  return std::move(*this);
}

Error errno_error(std::string_view what, int saved_errno) {
  Code code = Code::kIo;
  if (saved_errno == ENOENT) code = Code::kNotFound;
  if (saved_errno == EEXIST) code = Code::kExists;
  if (saved_errno == EACCES || saved_errno == EPERM) code = Code::kDenied;
  if (saved_errno == ENOSPC || saved_errno == EDQUOT || saved_errno == ENOMEM)
    code = Code::kExhausted;
  return {code, fmt::format("{}: {}", what, std::strerror(saved_errno)), {}};
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  check_failed(where.file_name(), static_cast<int>(where.line()), "value() of an Error",
               error.message);
}

}  // namespace devrun
