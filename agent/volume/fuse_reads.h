// The reads of one mount that are not answered yet. No thread waits for them: they are answered by whoever brings the
// last byte, so a store that is away holds up nothing but these reads.
//
// A process that is being killed must not have to wait for the store: the kernel lets go of it only when its read is
// answered. So when the kernel says that somebody was interrupted, we look whether SIGKILL is on its way to that thread
// (the kernel makes every deadly signal one), and answer EINTR. Other signals leave the read as it is: programs do not
// expect EINTR of a file. The kernel tells only once, so who was interrupted is looked at until answered.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "agent/volume/vfs.h"

struct fuse_req;

namespace devrun::volume {

// Whether the thread `pid` has a deadly signal coming, or is gone. True for 0: a thread we cannot see.
bool is_being_killed(pid_t pid);

class FuseReads {
 public:
  explicit FuseReads(Vfs& vfs);
  ~FuseReads() { close(); }
  // Waits for what is under way; the store must be closed, or answer.
  void close();

  // Answers `request` once, now or later.
  void begin(fuse_req* request, NodeId node, uint64_t offset, uint64_t size);
  // The same for SEEK_DATA and SEEK_HOLE, which may need a list of hashes from the store.
  void seek(fuse_req* request, NodeId node, uint64_t offset, bool hole);
  // On libfuse's thread; `id` is what begin() gave to libfuse.
  void interrupted(uint64_t id);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  uint64_t enter(fuse_req* request);
  void leave(uint64_t id, const std::function<void(fuse_req*)>& answer);
  void reply(fuse_req* request, const Result<BodyReader::Slices>& slices);
  void watch(const std::stop_token& stop);

  Vfs& vfs_;
  mutable std::mutex mutex_;  // guards these
  std::condition_variable_any changed_;
  std::map<uint64_t, fuse_req*> waiting_;
  std::set<uint64_t> interrupted_;
  size_t under_way_ = 0;  // also those answered before their bytes came
  uint64_t next_ = 1;

  std::atomic<uint64_t> bytes_read_{0};
  std::jthread watcher_;
};

}  // namespace devrun::volume
