// Which files of a running program a round tells: those below home paths that are complete, and what files that grow have so far.
//
//   complete  nobody has it open for writing (a read lease is to be had), it has rested for a second, and no round told this
//             version of it
//   growing   open for writing or written to all the time, and what it held some seconds ago is still how it begins: a log, an
//             event file. Told as far as it goes, again every few seconds, seldom if it is large.
//
// Left for the end: databases of SQLite and their journals, which count together only, and files with several names.
//
// The lease is held for a moment: an open for writing that comes just then waits for as long, and with O_NONBLOCK fails (EWOULDBLOCK),
// as the kernel has it with any lease.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "agent/home/sent_files.h"
#include "agent/home/upper_reader.h"
#include "common/base/digest.h"

namespace devrun::home {

inline constexpr int64_t kRestNs = 1'000'000'000;
inline constexpr int64_t kGrowingEveryNs = 5'000'000'000;

class CompleteFiles {
 public:
  explicit CompleteFiles(SentFiles& sent) : sent_(sent) {}

  // `now_ns`: the wall clock, as the file system stamps files by it.
  Choice choose(const Seen& seen, int64_t now_ns);

  // What comparing files that grow has cost of a CPU until now: bounded by how seldom it is done, not by how seldom one looks.
  Duration compared() const { return compared_; }

 private:
  struct Growing {
    uint64_t size = 0;
    Digest beginning;  // of what it held then, or of the last part of that
    bool told = false;
    int64_t look_at_ns = 0;
  };

  Choice choose_regular(const Seen& seen, const FileVersion& version, int64_t now_ns);
  bool is_due(const FileVersion& version, int64_t now_ns);
  Choice compare(int file, const FileVersion& version, int64_t now_ns);

  SentFiles& sent_;
  std::unordered_map<uint64_t, Growing> growing_;  // by inode
  Duration compared_;
};

}  // namespace devrun::home
