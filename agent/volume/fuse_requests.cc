#include "agent/volume/fuse_requests.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

namespace devrun::volume {

namespace {

constexpr std::chrono::milliseconds kPause{1};
static_assert(offsetof(fuse_in_header, unique) == 8);
constexpr uint32_t kHasResend2 = 1u
                                 << 7;  // of INIT's second word of flags; not in Debian 12's header

fuse_in_header header_of(const char* bytes) {
  fuse_in_header out;
  std::memcpy(&out, bytes, sizeof out);
  return out;
}

bool wants_answer(uint32_t opcode) {
  return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

}  // namespace

TakenRequests::TakenRequests(MountState& state) : state_(state) {
  for (size_t i = 0; i < MountState::kSlots; ++i) {
    held_[i] = unique(i).load(std::memory_order_acquire);
    // Its taker was killed before it could remember it.
    if (held_[i] != 0 && header_of(state_.slots[i]).opcode == FUSE_INIT && init().empty()) {
      remember_init(state_.slots[i], header_of(state_.slots[i]).len);
    }
  }
}

std::atomic_ref<uint64_t> TakenRequests::unique(size_t slot) const {
  return std::atomic_ref<uint64_t>(
      *reinterpret_cast<uint64_t*>(state_.slots[slot] + offsetof(fuse_in_header, unique)));
}

size_t TakenRequests::claim() {
  for (;;) {
    for (size_t i = 0; i < MountState::kSlots; ++i) {
      uint64_t free = 0;
      if (held_[i].load(std::memory_order_relaxed) == 0 &&
          held_[i].compare_exchange_strong(free, kClaimed)) {
        return i;
      }
    }
    std::this_thread::sleep_for(kPause);
  }
}

void TakenRequests::release(size_t slot) {
  unique(slot).store(0, std::memory_order_release);
  held_[slot].store(0, std::memory_order_release);
}

ssize_t TakenRequests::read(int fd, void* buffer, size_t size) {
  const size_t slot = claim();
  char* const kept = state_.slots[slot];
  auto* const out = static_cast<char*>(buffer);
  const size_t first = std::min(size, MountState::kSlotBytes);
  const iovec parts[] = {{kept, first}, {out + first, size - first}};
  const ssize_t n = ::readv(fd, parts, 2);
  if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) {
    const int saved = errno;
    release(slot);
    errno = saved;
    return n;
  }
  const auto taken = static_cast<size_t>(n);
  std::memcpy(out, kept, std::min(taken, first));
  const fuse_in_header header = header_of(kept);
  if (header.opcode == FUSE_INIT) remember_init(kept, taken);
  if (wants_answer(header.opcode)) {
    held_[slot].store(header.unique, std::memory_order_release);
  } else {
    release(slot);
  }
  return n;
}

void TakenRequests::answered(const iovec& header) {
  fuse_out_header reply{};
  if (header.iov_len < sizeof reply) return;
  std::memcpy(&reply, header.iov_base, sizeof reply);
  if (reply.unique == 0) return;  // a notification
  for (size_t i = 0; i < MountState::kSlots; ++i) {
    if (held_[i].load(std::memory_order_acquire) != reply.unique) continue;
    release(i);
    return;
  }
}

std::vector<std::string> TakenRequests::unanswered() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < MountState::kSlots; ++i) {
    const fuse_in_header header = header_of(state_.slots[i]);
    if (header.unique == 0 || header.len < sizeof header) continue;
    out.emplace_back(state_.slots[i], std::min<size_t>(header.len, MountState::kSlotBytes));
  }
  return out;
}

void TakenRequests::forget_all() {
  for (size_t i = 0; i < MountState::kSlots; ++i) release(i);
}

void TakenRequests::remember_init(const char* bytes, size_t size) {
  const size_t kept = std::min(size, MountState::kInitBytesMax);
  std::memcpy(state_.init_request, bytes, kept);
  std::atomic_thread_fence(std::memory_order_release);
  state_.init_request_bytes = static_cast<uint32_t>(kept);
}

std::string TakenRequests::init() const {
  return {state_.init_request, state_.init_request_bytes};
}

namespace {
// Kernels before 5.17 send a shorter one, without the second word of flags.
fuse_init_in init_in(const std::string& bytes) {
  fuse_init_in out{};
  if (bytes.size() > sizeof(fuse_in_header)) {
    std::memcpy(&out, bytes.data() + sizeof(fuse_in_header),
                std::min(sizeof out, bytes.size() - sizeof(fuse_in_header)));
  }
  return out;
}
}  // namespace

uint32_t TakenRequests::init_flags() const {
  return init_in(init()).flags;
}

bool TakenRequests::kernel_resends() const {
  const fuse_init_in request = init_in(init());
  return (request.flags & FUSE_INIT_EXT) != 0 && (request.flags2 & kHasResend2) != 0;
}

}  // namespace devrun::volume
