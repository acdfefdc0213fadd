// What can be expected to go wrong is a value: `Result<T>` holds a T or an Error. TRY takes the T
// out or returns the Error from the enclosing function. Bugs are CHECKs (check.h), never Errors.
//
// An Error reads as one sentence, "what happened: why", and carries the next command to try; the
// CLI prints it as `devrun: <message>. Try: <hint>.`. Callers add what they were doing with
// `context`.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace devrun {

// Codes cross the wire by number: append, never renumber.
enum class Code {
  kInvalid = 1,  // the request cannot be right, whatever the state
  kNotFound = 2,
  kExists = 3,
  kConflict = 4,  // the state does not allow it now
  kDenied = 5,
  kUnavailable = 6,  // a peer is away; trying again may help
  kExhausted = 7,    // out of space, memory, quota, or a limit of ours
  kTimeout = 8,
  kCancelled = 9,
  kCorrupt = 10,  // stored bytes are not what they should be
  kIo = 11,       // the operating system said no
  kUnsupported = 12,
  kInternal = 13,
};

std::string_view code_name(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;  // "what happened: why", no full stop
  std::string hint;     // the next command or action, may be empty

  // Puts what the caller was doing before the message: "mounting snapshot ab12: <message>".
  Error context(std::string_view doing) &&;
};

template <typename T>
using Result = boost::system::result<T, Error>;
using Status = Result<void>;

inline Status ok() {
  return {};
}

// An Error from errno: "open /x: No such file or directory".
Error errno_error(std::string_view what, int saved_errno);

[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

}  // namespace devrun

// `T x = TRY(f());` — GCC's statement expression; keep co_await and loops' break out of it.
#define TRY(expression)                                   \
  __extension__({                                         \
    auto devrun_try_result = (expression);                \
    if (!devrun_try_result) {                             \
      return std::move(devrun_try_result).error();        \
    }                                                     \
    ::devrun::detail::take(std::move(devrun_try_result)); \
  })

namespace devrun::detail {
template <typename T>
T take(Result<T>&& result) {
  return std::move(*result);
}
inline void take(Status&&) {}
}  // namespace devrun::detail
