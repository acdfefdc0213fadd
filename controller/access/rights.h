// Who may make which call, and what they must be to the job and the volume that it names: one table, a line for each RPC
// of the protos. docs/security.md shows it, and a unit test compares the two, and the table with what a real
// controller answers. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace devrun::controller {

// Kinds of callers: bits.
enum By : unsigned {
  kByNobody = 1,  // without a certificate
  kByNode = 2,    // an agent, for itself
  kByReader = 4,  // who sees what there is, and changes and reads nothing of it
  kByUser = 8,
  kByAdmin = 16,
  kByContainer = 32,      // a program in a dev container or a job, whatever its uid there
  kByContainerRoot = 64,  // only root of the volume: what a file's mode would keep from others
};

// What somebody may do with a job or a volume; each includes those before it.
//   see    that it is there and how it is: its row, its size, its snapshots' numbers
//   read   what is in it
//   write  changing that
//   own    all else: whom it is shared with, its snapshots' and its own end; of a job everything but seeing
enum class Level : uint8_t { kNone, kSee, kRead, kWrite, kOwn };
std::string_view level_name(Level level);

struct Right {
  std::string_view service;  // "Client"
  std::string_view call;     // "Submit"
  unsigned by;               // of By
  Level job;                 // needed on the job that the request names; kNone: it names none
  Level volume;              // likewise
  bool changes;              // something that outlives the call: it stands in the audit log
};

std::span<const Right> rights();
// Of a call of this name; a call without a line is a bug.
const Right& right_of(std::string_view call);
// Of "/devrun.v1.Client/Submit"; null: not ours.
const Right* right_of_path(std::string_view path);

// "user, admin, container" in words.
std::string by_in_words(unsigned by);

}  // namespace devrun::controller
