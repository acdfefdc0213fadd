// The requests that a mount's server has taken from the kernel and not answered yet, kept where they
// outlive it (node_state.h). The kernel writes a request straight into its slot, so that there is no
// instant at which it is taken and not recorded; it leaves the slot once the kernel has the answer.
//
// A server that takes the mount over either asks the kernel to send them again (kernel 6.9 and
// later), or answers what stands in the slots (any kernel). An answer that the kernel has already
// had is refused by it (ENOENT), which harms nobody: everything here is read-only.
//
// Any thread; no locks. Reads are answered late and by any thread (fuse_reads.h), so there are more
// slots than threads; while all are taken nothing more is read.
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/volume/node_state.h"

namespace devrun::volume {

class TakenRequests {
 public:
  // What is in the slots is the last server's.
  explicit TakenRequests(MountState& state);

  // As read(2) of /dev/fuse into `buffer`.
  ssize_t read(int fd, void* buffer, size_t size);
  // The kernel has had this reply, or wants it no more.
  void answered(const iovec& header);

  // Whole requests that nobody has answered; those of the last server if called before read().
  std::vector<std::string> unanswered() const;
  void forget_all();

  // The INIT that the mount began with; empty: none yet.
  std::string init() const;
  uint32_t init_flags() const;  // that the kernel offered in it
  // Whether the kernel can send requests again.
  bool kernel_resends() const;

 private:
  size_t claim();
  void release(size_t slot);
  std::atomic_ref<uint64_t> unique(size_t slot) const;
  void remember_init(const char* bytes, size_t size);

  MountState& state_;
  // What is in each slot, close together: 0 is free, kClaimed waits for the kernel, else `unique`.
  static constexpr uint64_t kClaimed = 1;
  std::array<std::atomic<uint64_t>, MountState::kSlots> held_{};
};

}  // namespace devrun::volume
