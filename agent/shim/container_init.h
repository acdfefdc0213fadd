// The first process of every container: devrun-shim itself, bound read-only at /run/devrun/init. As pid 1 of a pid
// namespace it exists because a program in that place ignores every signal without a handler (`kill -9 $$` does
// nothing there) and inherits zombies.
//
// It gets descriptors from the shim through crun: kControlFd, a SOCK_SEQPACKET socket; kOrderFd, what to run
// (container_order.h); and without a tty the program's streams. It says kHello (with the pty's master, if there is one; the kernel adds its pid), kSetupDone, kStarted or
// kFailed, kEnded; it hears int32s: kOrderGo once the program may follow the setup step, or a signal to deliver. It
// ends when the program has ended, and the kernel then kills whatever is left in the namespace; it ends at once when the
// shim is gone.
//
// An idle init (a dev container's) runs no program: it reaps, and ends what is there when it gets TERM. With
// kOrderSession come descriptors of the same kinds and order: init forks, and the child is the init of that session,
// speaking the same protocol with a shim of its own. It is not pid 1, so what its program left running goes on; with
// kOrderKill, or when its shim is gone, all of its program's session is ended.
#pragma once

#include <cstdint>

namespace devrun::shim {

inline constexpr int kControlFd = 3;
inline constexpr int kOrderFd = 4;
inline constexpr int kStdoutFd = 5;
inline constexpr int kStderrFd = 6;
inline constexpr int kStdinFd = 7;
inline constexpr int kInitFdsMax = 5;

enum class InitSays : uint32_t {
  kHello = 1,
  kStarted = 2,
  kFailed = 3,
  kEnded = 4,
  kSetupDone = 5,
  kStays = 6  // the program has ended with 0, whatever ends the container now
};
inline constexpr int32_t kOrderGo = 0;
inline constexpr int32_t kOrderSession = -1;
inline constexpr int32_t kOrderKill = -2;  // of a session: KILL to all of it
inline constexpr int32_t kOrderFirstRankEnded =
    -3;  // what stays for rank 0 (ContainerOrder::stays) ends
enum class InitStage : uint32_t {
  kNone = 0,
  kTerminal = 1,
  kFolder = 2,
  kProgram = 3,
  kFork = 4,
  kOrder = 5,
  kIds = 6
};

struct InitMessage {
  InitSays says = InitSays::kHello;
  InitStage stage = InitStage::kNone;  // with kFailed
  int32_t value = 0;                   // kFailed: errno; kEnded: the status as waitpid gives it
};

int run_container_init();

}  // namespace devrun::shim
