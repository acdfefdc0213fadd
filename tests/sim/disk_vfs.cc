// SQLite's view of tests/sim/disk.h: one VFS, no locks (the journal is locked by itself alone), no shared memory (WAL in
// exclusive mode needs none).
#include <sqlite3.h>

#include <cstring>
#include <new>

#include "tests/sim/disk.h"

namespace devrun::sim {

namespace {

struct Handle {
  sqlite3_file base;
  std::shared_ptr<Disk::File>* file;
  uint64_t generation;
};

Handle& handle(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file);
}

bool is_void(const Handle& of) {
  const Disk* disk = the_disk();
  return disk == nullptr || of.generation != disk->generation() || disk->is_dead();
}

int close(sqlite3_file* file) {
  delete handle(file).file;
  handle(file).file = nullptr;
  return SQLITE_OK;
}

int read(sqlite3_file* file, void* into, int amount, sqlite3_int64 offset) {
  if (is_void(handle(file))) return SQLITE_IOERR_READ;
  const std::string& bytes = (*handle(file).file)->now;
  const auto from = static_cast<size_t>(offset);
  const auto wanted = static_cast<size_t>(amount);
  const size_t there = from >= bytes.size() ? 0 : std::min(wanted, bytes.size() - from);
  if (there != 0) std::memcpy(into, bytes.data() + from, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(into) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int may_change(const Handle& of, int failure) {
  if (is_void(of)) return failure;
  switch (the_disk()->begin_change()) {
    case Disk::Can::kYes:
      return SQLITE_OK;
    case Disk::Can::kFull:
      return SQLITE_FULL;
    case Disk::Can::kNot:
      return failure;
  }
  return failure;
}

int write(sqlite3_file* file, const void* bytes, int amount, sqlite3_int64 offset) {
  const int may = may_change(handle(file), SQLITE_IOERR_WRITE);
  if (may != SQLITE_OK) return may;
  Disk::write(**handle(file).file, static_cast<uint64_t>(offset), bytes,
              static_cast<size_t>(amount));
  return SQLITE_OK;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int may = may_change(handle(file), SQLITE_IOERR_TRUNCATE);
  if (may == SQLITE_OK) Disk::cut(**handle(file).file, static_cast<uint64_t>(size));
  return may;
}

int sync(sqlite3_file* file, int) {
  const int may = may_change(handle(file), SQLITE_IOERR_FSYNC);
  if (may == SQLITE_FULL) return SQLITE_OK;  // room is for writing
  if (may == SQLITE_OK) Disk::sync(**handle(file).file);
  return may;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  if (is_void(handle(file))) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>((*handle(file).file)->now.size());
  return SQLITE_OK;
}

int no_lock(sqlite3_file*, int) {
  return SQLITE_OK;
}
int nobody_locks(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return 4096;
}
int characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = {
    1,       close,        read,         write,       truncate,        sync,    file_size, no_lock,
    no_lock, nobody_locks, file_control, sector_size, characteristics, nullptr, nullptr,   nullptr,
    nullptr, nullptr,      nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  Disk* disk = the_disk();
  if (disk == nullptr) return SQLITE_CANTOPEN;
  auto found = std::make_shared<Disk::File>();
  if (name != nullptr) {
    const auto it = disk->files().find(name);
    if (it != disk->files().end()) {
      found = it->second;
    } else if ((flags & SQLITE_OPEN_CREATE) != 0) {
      disk->files()[name] = found;
    } else {
      return SQLITE_CANTOPEN;
    }
  }
  Handle* made = new (file) Handle{};
  made->file = new std::shared_ptr<Disk::File>(std::move(found));
  made->generation = disk->generation();
  made->base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int remove(sqlite3_vfs*, const char* name, int) {
  Disk* disk = the_disk();
  if (disk == nullptr || disk->begin_change() == Disk::Can::kNot) return SQLITE_IOERR_DELETE;
  return disk->files().erase(name) != 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int access(sqlite3_vfs*, const char* name, int, int* out) {
  *out = the_disk() != nullptr && the_disk()->files().count(name) != 0 ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs*, int size, char* out) {
  for (int i = 0; i < size; ++i) {
    out[i] = the_disk() == nullptr ? '\0' : static_cast<char>(the_disk()->random().next());
  }
  return size;
}

int no_sleep(sqlite3_vfs*, int microseconds) {
  return microseconds;
}
int no_clock(sqlite3_vfs*, double* out) {
  *out = 2460000.5;
  return SQLITE_OK;
}
int no_error(sqlite3_vfs*, int, char*) {
  return 0;
}

sqlite3_vfs vfs = {1,       sizeof(Handle), 512,        nullptr,   "sim",    nullptr,
                   open,    remove,         access,     full_path, nullptr,  nullptr,
                   nullptr, nullptr,        randomness, no_sleep,  no_clock, no_error,
                   nullptr, nullptr,        nullptr,    nullptr};

}  // namespace

void register_disk_vfs() {
  CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
  sqlite3_randomness(0, nullptr);  // what is drawn from now on depends on the seed alone
}

}  // namespace devrun::sim
