// CHECK is for bugs: a broken invariant ends the program at once, in release builds too, because
// every part of devrun survives being killed and none survives lying.
#pragma once

#include <string_view>

namespace devrun {
[[noreturn]] void check_failed(const char* file, int line, const char* what,
                               std::string_view detail);
}

#define CHECK(condition)                                          \
  do {                                                            \
    if (!(condition)) [[unlikely]] {                              \
      ::devrun::check_failed(__FILE__, __LINE__, #condition, {}); \
    }                                                             \
  } while (false)

#define CHECK_MSG(condition, detail)                                    \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::devrun::check_failed(__FILE__, __LINE__, #condition, (detail)); \
    }                                                                   \
  } while (false)
