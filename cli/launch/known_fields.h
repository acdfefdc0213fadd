// Every field that a SkyPilot task file may have: those that are read, and those that are accepted
// with a warning. The one table behind "unknown key", "did you mean", the warnings and the schema.
//
// What is not read is one of two things. A *hint* says where or on what the task would run elsewhere, or what it may
// cost there: clouds, regions, disks, prices. Without it the programs of the task do and see the same. What would
// change what they do or see is *unsupported*: such a file resolves, but is not run as it is meant.
#pragma once

#include <span>
#include <string_view>

namespace devrun::launch {

enum class Handling { kRead, kHint, kUnsupported };

inline constexpr unsigned kString = 1;
inline constexpr unsigned kBool = 2;
inline constexpr unsigned kInt = 4;
inline constexpr unsigned kFloat = 8;
inline constexpr unsigned kList = 16;
inline constexpr unsigned kMap = 32;
inline constexpr unsigned kNumber = kInt | kFloat;
inline constexpr unsigned kAnyKind = 63;

struct Field {
  std::string_view name;
  Handling handling = Handling::kHint;
  unsigned kinds = kAnyKind;          // of one that is not read; readers check their own
  std::string_view consequence = {};  // what does not happen, for the warning
};

std::span<const Field> task_fields();
std::span<const Field> resources_fields();    // of `resources:`
std::span<const Field> alternative_fields();  // of an item of any_of or ordered
std::span<const Field> header_fields();       // of the first of several documents
std::span<const Field> workdir_fields();      // of `workdir: {…}`
std::span<const Field> storage_fields();      // of `file_mounts: {target: {…}}`
std::span<const Field> volume_fields();       // of `volumes: {target: {…}}`
std::span<const Field> service_fields();
std::span<const Field> probe_fields();     // of `service.readiness_probe`
std::span<const Field> recovery_fields();  // of `resources.job_recovery`
std::span<const Field> devrun_fields();    // of `devrun:`, which only devrun reads

}  // namespace devrun::launch
