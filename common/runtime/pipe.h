// A pipe, closed on exec, each end with one owner. Any thread.
#pragma once

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// The errors of pipe2(2): no descriptor is left.
Result<Pipe> make_pipe();

}  // namespace devrun
