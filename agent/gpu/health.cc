#include "agent/gpu/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace devrun::gpu {

namespace {

// Those after which NVIDIA's guide to XID errors asks for a reset, a reboot, or a new GPU.
constexpr std::array<std::pair<uint32_t, std::string_view>, 14> kFatal{{
    {46, "it stopped processing"},
    {48, "two wrong bits in one word of its memory"},
    {62, "its micro-controller halted"},
    {64, "a bad row of its memory could not be replaced"},
    {74, "an error on NVLink"},
    {79, "it has fallen off the bus"},
    {95, "an uncontained memory error"},
    {110, "a security fault"},
    {119, "its system processor does not answer"},
    {120, "an error of its system processor"},
    {136, "a link could not be trained"},
    {140, "memory errors that were not corrected"},
    {143, "it could not be initialized"},
    {155, "NVLink is down"},
}};

// NVML_GPU_RECOVERY_ACTION_…
std::string_view recovery_words(int action) {
  switch (action) {
    case 1:
      return "its driver asks for a reset of it";
    case 2:
      return "its driver asks for a reboot of the machine";
    case 3:
      return "its driver asks to end what talks to other GPUs from it";
    case 4:
      return "its driver asks to end what runs on it, and for a reset";
    default:
      return "its driver asks for a repair";
  }
}

bool counts(const Facts& facts, const Facts::Xid& xid) {
  if (fatal_xid(xid.code).empty()) return false;
  if (facts.recovery == 0) return xid.seconds_ago < kXidSettlesSeconds;
  return xid.seconds_ago < kXidCountsSeconds;
}

}  // namespace

std::string_view fatal_xid(uint32_t code) {
  const auto found = std::find_if(kFatal.begin(), kFatal.end(),
                                  [&](const auto& entry) { return entry.first == code; });
  return found == kFatal.end() ? std::string_view() : found->second;
}

std::string trouble_of(const Facts& facts) {
  const auto xid = std::find_if(facts.xids.begin(), facts.xids.end(),
                                [&](const Facts::Xid& one) { return counts(facts, one); });
  const std::string cause =
      xid == facts.xids.end() ? "" : fmt::format("XID {}: {}", xid->code, fatal_xid(xid->code));
  const std::string also = cause.empty() ? "" : fmt::format(" ({})", cause);
  if (!facts.missing.empty()) return fmt::format("it does not answer: {}{}", facts.missing, also);
  if (facts.recovery > 0) return fmt::format("{}{}", recovery_words(facts.recovery), also);
  if (facts.remap_failed) return "a bad row of its memory could not be replaced" + also;
  if (facts.uncorrected_errors > 0) {
    return fmt::format("{} uncorrectable memory error{} since its last reset{}",
                       facts.uncorrected_errors, facts.uncorrected_errors == 1 ? "" : "s", also);
  }
  if (!cause.empty()) return cause;
  if (facts.sliced) return "it is in MIG mode, and has no slices";
  return facts.lacks;
}

}  // namespace devrun::gpu
