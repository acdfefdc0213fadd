// A disk that forgets: the files below a SQLite VFS in memory. What was written since a file's last sync is lost in part
// or wholly when the machine loses its power, sector by sector and in any order, as real disks do; a program that is
// killed loses nothing. The VFS is SQLite's default one for as long as this program runs, so that controller/journal
// opens its file here without knowing.
//
// Surprises: handles of before a crash only fail from then on, so that the journal of a killed controller can be
// destroyed without writing. One disk at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace devrun::sim {

class Disk {
 public:
  explicit Disk(Random& random);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Handles of until now are void; with `power` what was not synced may be gone.
  void crash(bool power);
  // Writes fail for want of room.
  void set_full(bool full) { full_ = full; }
  // All fails from the n-th write or sync on, as if the program had died there; 0: the next. Until the next crash().
  void die_at(int64_t operation) { dies_in_ = operation; }
  void live_on() { dies_in_ = -1; }
  bool has_died() const { return dies_in_ == 0 && died_; }

  // ── for the VFS ──
  struct File {
    struct Change {
      uint64_t offset = 0;
      std::string bytes;
      bool cuts = false;  // the file ends at `offset`
    };
    std::string now;      // as programs see it
    std::string durable;  // as of the last sync
    std::vector<Change> unsynced;
  };
  enum class Can { kYes, kFull, kNot };
  Can begin_change();  // a write, truncation or sync
  uint64_t generation() const { return generation_; }
  bool is_dead() const { return died_; }
  std::map<std::string, std::shared_ptr<File>>& files() { return files_; }
  static void write(File& file, uint64_t offset, const void* bytes, size_t size);
  static void cut(File& file, uint64_t size);
  static void sync(File& file);
  Random& random() { return random_; }

 private:
  void lose_power(File& file);

  Random& random_;
  std::map<std::string, std::shared_ptr<File>> files_;
  uint64_t generation_ = 1;
  int64_t dies_in_ = -1;
  bool died_ = false;
  bool full_ = false;
};

// The disk that the VFS shows.
Disk* the_disk();
void register_disk_vfs();

}  // namespace devrun::sim
