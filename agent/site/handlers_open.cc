// Files and folders of a served folder that are open: each is a descriptor, or a stream of names, of this process.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "agent/site/handlers.h"

namespace devrun::site {

namespace {

// What of the caller's flags is ours to have: the kernel has looked at links, and does direct I/O as it likes.
int flags_of(int asked) {
  return (asked & ~(O_NOFOLLOW | O_DIRECT | O_CREAT | O_EXCL)) | O_CLOEXEC;
}

int file_of(const fuse_file_info* open) {
  return static_cast<int>(open->fh);
}

void answer(fuse_req_t request, int result) {
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void open_file(fuse_req_t request, fuse_ino_t number, fuse_file_info* open) {
  const auto node = node_of(request, number);
  if (!node) return;
  UniqueFd fd(::open(link_to(node->fd.get()).c_str(), flags_of(open->flags)));
  if (!fd) {
    fuse_reply_err(request, errno);
    return;
  }
  open->fh = static_cast<uint64_t>(fd.get());
  // What was closed elsewhere before is seen from here on, as NFS has it.
  struct stat about {};
  open->keep_cache =
      ::fstat(fd.get(), &about) == 0 && served(request).nodes.is_as_before(number, about) ? 1 : 0;
  if (fuse_reply_open(request, open) != -ENOENT) static_cast<void>(fd.release());
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* open) {
  const auto folder = node_of(request, parent);
  if (!folder) return;
  // One name, and no link behind it: the kernel has seen that there is none, and another host may have made one.
  UniqueFd fd(::openat(folder->fd.get(), name,
                       flags_of(open->flags) | (open->flags & O_EXCL) | O_CREAT | O_NOFOLLOW,
                       mode));
  if (!fd) {
    fuse_reply_err(request, errno);
    return;
  }
  open->fh = static_cast<uint64_t>(fd.get());
  if (answer_entry(request, parent, name, open)) static_cast<void>(fd.release());
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* open) {
  ::close(file_of(open));
  fuse_reply_err(request, 0);
}

// What a close tells of writes that went wrong.
void flush(fuse_req_t request, fuse_ino_t, fuse_file_info* open) {
  const int copy = ::dup(file_of(open));
  answer(request, copy < 0 ? -1 : ::close(copy));
}

void sync_file(fuse_req_t request, fuse_ino_t, int data_alone, fuse_file_info* open) {
  answer(request, data_alone != 0 ? ::fdatasync(file_of(open)) : ::fsync(file_of(open)));
}

void read_file(fuse_req_t request, fuse_ino_t, size_t size, off_t at, fuse_file_info* open) {
  fuse_bufvec from = FUSE_BUFVEC_INIT(size);
  from.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  from.buf[0].fd = file_of(open);
  from.buf[0].pos = at;
  fuse_reply_data(request, &from, FUSE_BUF_SPLICE_MOVE);
}

// Of a file opened for appending the kernel takes its end, whatever `at` is.
void write_file(fuse_req_t request, fuse_ino_t, const char* bytes, size_t size, off_t at,
                fuse_file_info* open) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pwrite(file_of(open), bytes + done, size - done, at + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  if (done == 0 && size > 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_write(request, done);
}

void allocate(fuse_req_t request, fuse_ino_t, int mode, off_t at, off_t length,
              fuse_file_info* open) {
  answer(request, ::fallocate(file_of(open), mode, at, length));
}

void seek(fuse_req_t request, fuse_ino_t, off_t at, int whence, fuse_file_info* open) {
  const off_t found = ::lseek(file_of(open), at, whence);
  if (found < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_lseek(request, found);
}

void copy_range(fuse_req_t request, fuse_ino_t, off_t from_at, fuse_file_info* from, fuse_ino_t,
                off_t to_at, fuse_file_info* to, size_t length, int) {
  const ssize_t n = ::copy_file_range(file_of(from), &from_at, file_of(to), &to_at, length, 0);
  if (n < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_write(request, static_cast<size_t>(n));
}

// ── folders ──

struct OpenFolder {
  std::mutex mutex;
  DIR* names = nullptr;
  off_t at = 0;
  ~OpenFolder() {
    if (names != nullptr) ::closedir(names);
  }
};

OpenFolder& folder_of(const fuse_file_info* open) {
  return *reinterpret_cast<OpenFolder*>(open->fh);
}

void open_folder(fuse_req_t request, fuse_ino_t number, fuse_file_info* open) {
  const auto node = node_of(request, number);
  if (!node) return;
  const int fd = ::openat(node->fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto folder = std::make_unique<OpenFolder>();
  folder->names = fd < 0 ? nullptr : ::fdopendir(fd);
  if (folder->names == nullptr) {
    fuse_reply_err(request, errno);
    return;
  }
  open->fh = reinterpret_cast<uint64_t>(folder.get());
  if (fuse_reply_open(request, open) != -ENOENT) static_cast<void>(folder.release());
}

void list(fuse_req_t request, fuse_ino_t, size_t size, off_t at, fuse_file_info* open) {
  OpenFolder& folder = folder_of(open);
  std::vector<char> out(size);
  size_t used = 0;
  // Let go before the answer: what follows that may be the folder's end, on another thread.
  std::unique_lock lock(folder.mutex);
  if (at != folder.at) ::seekdir(folder.names, at);
  folder.at = at;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder.names);
    if (entry == nullptr) {
      if (errno == 0 || used > 0) break;
      const int failed = errno;
      lock.unlock();
      fuse_reply_err(request, failed);
      return;
    }
    struct stat about {};
    about.st_ino = entry->d_ino;
    about.st_mode = static_cast<mode_t>(entry->d_type) << 12;
    const size_t needed = fuse_add_direntry(request, out.data() + used, size - used, entry->d_name,
                                            &about, entry->d_off);
    if (needed > size - used) {
      ::seekdir(folder.names, folder.at);  // once more the next time
      break;
    }
    used += needed;
    folder.at = entry->d_off;
  }
  lock.unlock();
  fuse_reply_buf(request, out.data(), used);
}

void release_folder(fuse_req_t request, fuse_ino_t, fuse_file_info* open) {
  delete &folder_of(open);
  fuse_reply_err(request, 0);
}

void sync_folder(fuse_req_t request, fuse_ino_t, int, fuse_file_info* open) {
  answer(request, ::fsync(::dirfd(folder_of(open).names)));
}

}  // namespace

void add_open_handlers(fuse_lowlevel_ops& operations) {
  operations.open = open_file;
  operations.create = create;
  operations.release = release;
  operations.flush = flush;
  operations.fsync = sync_file;
  operations.read = read_file;
  operations.write = write_file;
  operations.fallocate = allocate;
  operations.lseek = seek;
  operations.copy_file_range = copy_range;
  operations.opendir = open_folder;
  operations.readdir = list;
  operations.releasedir = release_folder;
  operations.fsyncdir = sync_folder;
}

}  // namespace devrun::site
