// The signals that `devrun` passes on, as a descriptor to poll. Made before any other thread
// exists, so that all inherit the mask. A signal that was ignored when we were called (nohup, a
// shell's `&`) stays ignored.
#pragma once

#include <csignal>
#include <optional>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::cli {

class Signals {
 public:
  // INT TERM QUIT USR1 USR2 HUP WINCH CONT; PIPE is ignored, since writes say EPIPE.
  static Result<Signals> take();

  int fd() const { return fd_.get(); }
  std::optional<int> next();  // does not wait

  Signals(Signals&&) = default;
  Signals& operator=(Signals&&) = delete;
  ~Signals();  // the old mask

 private:
  Signals() = default;

  UniqueFd fd_;
  sigset_t old_mask_{};
};

}  // namespace devrun::cli
