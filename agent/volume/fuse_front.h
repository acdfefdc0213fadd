// One FUSE mount over a Vfs, by libfuse's low-level API on a descriptor that the keeper mounted.
//
// Everything below the mount's root is immutable, so the kernel is told to keep it for ever:
// entries, attributes, missing names, link targets, directory listings and pages; OPEN, OPENDIR and
// FLUSH are answered ENOSYS once, after which the kernel no longer asks. Only the root itself
// changes, as trees are prepared: its missing names are not kept.
//
// Custom I/O instead of libfuse's own: it lets us see when the kernel has taken the INIT reply
// (only then may the read-ahead be set), keep each request where it outlives us (fuse_requests.h),
// and run over a socketpair in tests.
//
// Taking a mount over: the kernel sends INIT once in a mount's life, so a restarted server feeds its
// session the recorded one (the kernel refuses the reply that it has had); then it has what its
// predecessor took sent again, or answers it from the record.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/volume/fuse_reads.h"
#include "agent/volume/fuse_requests.h"
#include "agent/volume/vfs.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

struct fuse_session;
struct iovec;

namespace devrun::volume {

class FuseFront {
 public:
  struct Options {
    bool xattrs =
        false;  // shows the trees that have some; otherwise those that have none, and never asks
    std::string mounted_at;
    bool list_with_attributes = true;  // READDIRPLUS where the kernel thinks it pays
    unsigned threads_max = 16;         // those of the kernel's questions; none waits for the store
    unsigned read_ahead_kib = 256;
    bool resend = true;  // false: as with a kernel before 6.9, which sends nothing again
    // Told from the threads that serve, after the kernel was told of the file, and before it gets bytes that it asked
    // for. Must be short.
    std::function<void(NodeId)> known = {};
    std::function<void(NodeId file, uint64_t offset, uint64_t size)> read = {};
    // Before the kernel hears whether there is such a name; and before it has a listing. True: it is to learn of no name
    // by the listing alone.
    std::function<void(NodeId folder, std::string_view name)> looked_up = {};
    std::function<bool(NodeId folder)> listed = {};
  };

  // `state` is the mount's; it outlives the front.
  static Result<std::unique_ptr<FuseFront>> open(UniqueFd fd, Vfs& vfs, MountState& state,
                                                 Options options);
  ~FuseFront();  // the store must be closed
  FuseFront(const FuseFront&) = delete;
  FuseFront& operator=(const FuseFront&) = delete;

  // Until the mount is gone; blocks. Reads may be answered later, also after that.
  Status serve();

  // A tree was prepared: a listing of the root that the kernel kept is out of date.
  void root_changed();

  // Puts bytes of a file into the kernel's page cache. False: it does not know the file. Blocks while
  // another reads the same pages.
  bool store(NodeId file, uint64_t offset, const std::vector<Slice>& slices);

  const Options& options() const { return options_; }
  FuseReads& reads() { return reads_; }
  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  struct Upcalls {
    std::atomic<uint64_t> lookup{0}, getattr{0}, readlink{0}, open{0}, opendir{0}, read{0},
        readdir{0}, readdirplus{0}, getxattr{0}, listxattr{0}, statfs{0}, lseek{0};
  };
  struct Handlers;  // libfuse's callbacks

  FuseFront(Vfs& vfs, MountState& state, Options options)
      : vfs_(vfs), options_(std::move(options)), requests_(state), reads_(vfs) {}
  void complete_init(const struct iovec& reply) const;
  void initialized();
  void take_over();
  void process(std::string request);
  void tell_known(NodeId file) const {
    if (options_.known) options_.known(file);
  }
  static ssize_t write_reply(int fd, struct iovec* parts, int count, void* self);
  static ssize_t read_request(int fd, void* buffer, size_t size, void* self);

  Vfs& vfs_;
  const Options options_;
  TakenRequests requests_;
  fuse_session* session_ = nullptr;
  std::atomic<bool> init_replied_{false};
  Upcalls upcalls_;
  FuseReads reads_;
};

}  // namespace devrun::volume
