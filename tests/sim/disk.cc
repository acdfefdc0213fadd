#include "tests/sim/disk.h"

#include <algorithm>
#include <cstring>

namespace devrun::sim {

namespace {

constexpr size_t kSectorBytes = 512;
Disk* shown = nullptr;

void put(std::string& to, const Disk::File::Change& change) {
  if (change.cuts) {
    to.resize(change.offset);
    return;
  }
  if (to.size() < change.offset + change.bytes.size()) {
    to.resize(change.offset + change.bytes.size());
  }
  std::memcpy(to.data() + change.offset, change.bytes.data(), change.bytes.size());
}

}  // namespace

Disk* the_disk() {
  return shown;
}

Disk::Disk(Random& random) : random_(random) {
  CHECK(shown == nullptr);
  register_disk_vfs();
  shown = this;
}

Disk::~Disk() {
  shown = nullptr;
}

void Disk::crash(bool power) {
  ++generation_;
  dies_in_ = -1;
  died_ = false;
  if (!power) return;
  for (auto& [name, file] : files_) lose_power(*file);
}

void Disk::lose_power(File& file) {
  const int64_t how = random_.below(4);  // nothing is kept, all, a beginning, any sectors
  size_t kept = file.unsynced.size();
  if (how == 0) kept = 0;
  if (how == 2) kept = static_cast<size_t>(random_.below(static_cast<int64_t>(kept) + 1));
  for (size_t i = 0; i < kept; ++i) {
    const File::Change& change = file.unsynced[i];
    if (how != 3 || change.cuts) {
      if (how != 3 || random_.chance(500)) put(file.durable, change);
      continue;
    }
    for (size_t at = 0; at < change.bytes.size(); at += kSectorBytes) {
      if (random_.chance(500)) continue;
      put(file.durable, {change.offset + at, change.bytes.substr(at, kSectorBytes), false});
    }
  }
  file.unsynced.clear();
  file.now = file.durable;
}

Disk::Can Disk::begin_change() {
  if (dies_in_ > 0) --dies_in_;
  if (dies_in_ == 0) died_ = true;
  if (died_) return Can::kNot;
  return full_ ? Can::kFull : Can::kYes;
}

void Disk::write(File& file, uint64_t offset, const void* bytes, size_t size) {
  file.unsynced.push_back({offset, {static_cast<const char*>(bytes), size}, false});
  put(file.now, file.unsynced.back());
}

void Disk::cut(File& file, uint64_t size) {
  file.unsynced.push_back({size, {}, true});
  file.now.resize(size);
}

void Disk::sync(File& file) {
  for (const File::Change& change : file.unsynced) put(file.durable, change);
  file.unsynced.clear();
}

}  // namespace devrun::sim
