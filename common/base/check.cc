#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace devrun {

void check_failed(const char* file, int line, const char* what, std::string_view detail) {
  std::fprintf(stderr, "devrun: bug: %s:%d: CHECK(%s) %.*s\n", file, line, what,
               static_cast<int>(detail.size()), detail.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace devrun
