// Whether a GPU is fit for jobs, judged from what its driver tells: a pure rule, so that it can be read and tested whole.
//
// A state counts for as long as it is told: a GPU that does not answer, one that the driver wants to have reset, memory that
// failed since the last reset. An XID is an event: one that says that the GPU itself has failed (and not a program on it)
// counts until the driver says that nothing need be done (NVML's recovery action, from driver 560 on), or for kXidCounts
// where the driver tells no such thing.
#pragma once

#include <string>

#include "agent/gpu/found.h"

namespace devrun::gpu {

inline constexpr int64_t kXidCountsSeconds = 600;
// A driver that has just had an error may not have judged it yet.
inline constexpr int64_t kXidSettlesSeconds = 30;

// What a fatal XID means, in a few words; empty for those that are programs' own faults, or harmless.
std::string_view fatal_xid(uint32_t code);

// Why nothing is to be placed on it, for people; empty: it is well.
std::string trouble_of(const Facts& facts);

}  // namespace devrun::gpu
