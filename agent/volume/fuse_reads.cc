#include "agent/volume/fuse_reads.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/uio.h>

#include <cerrno>
#include <charconv>

#include "agent/volume/fuse_handlers.h"
#include "agent/volume/fuse_values.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::volume {

namespace {

constexpr std::chrono::milliseconds kLookEvery{50};

// A mask of signals in /proc/PID/status.
uint64_t mask_of(std::string_view status, std::string_view name) {
  size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  at = status.find_first_not_of(" \t", at + name.size());
  if (at == std::string_view::npos) return 0;
  uint64_t out = 0;
  std::from_chars(status.data() + at, status.data() + status.size(), out, 16);
  return out;
}

void on_interrupt(fuse_req_t request, void* id) {
  auto* front = static_cast<FuseFront*>(fuse_req_userdata(request));
  front->reads().interrupted(reinterpret_cast<uint64_t>(id));
}

}  // namespace

bool is_being_killed(pid_t pid) {
  if (pid <= 0) return true;
  const Result<std::string> status = read_file(fmt::format("/proc/{}/status", pid));
  if (!status) return true;
  const uint64_t pending = mask_of(*status, "\nSigPnd:") | mask_of(*status, "\nShdPnd:");
  return (pending & (uint64_t{1} << (SIGKILL - 1))) != 0;
}

FuseReads::FuseReads(Vfs& vfs)
    : vfs_(vfs), watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

void FuseReads::close() {
  if (!watcher_.joinable()) return;
  watcher_.request_stop();
  watcher_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return under_way_ == 0; });
}

uint64_t FuseReads::enter(fuse_req* request) {
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_++;
    waiting_.emplace(id, request);
    under_way_ += 1;
  }
  // Calls interrupted() here if that has happened already.
  fuse_req_interrupt_func(request, on_interrupt, reinterpret_cast<void*>(id));
  return id;
}

void FuseReads::begin(fuse_req* request, NodeId node, uint64_t offset, uint64_t size) {
  vfs_.read(node, offset, size, [this, id = enter(request)](Result<BodyReader::Slices> slices) {
    leave(id, [&](fuse_req* asked) { reply(asked, slices); });
  });
}

void FuseReads::seek(fuse_req* request, NodeId node, uint64_t offset, bool hole) {
  vfs_.seek(node, offset, hole, [this, id = enter(request)](const auto& found) {
    leave(id, [&](fuse_req* asked) {
      if (!found) {
        fuse_reply_err(asked, errno_of(found.error()));
      } else if (!*found) {
        fuse_reply_err(asked, ENXIO);
      } else {
        fuse_reply_lseek(asked, static_cast<off_t>(**found));
      }
    });
  });
}

void FuseReads::leave(uint64_t id, const std::function<void(fuse_req*)>& answer) {
  fuse_req* request = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = waiting_.find(id); found != waiting_.end()) {
      request = found->second;
      waiting_.erase(found);
      interrupted_.erase(id);
    }
  }
  if (request != nullptr) answer(request);
  const std::lock_guard lock(mutex_);
  under_way_ -= 1;
  if (under_way_ == 0) changed_.notify_all();
}

void FuseReads::reply(fuse_req* request, const Result<BodyReader::Slices>& slices) {
  if (!slices) {
    log::error("a read failed: {}", slices.error().message);
    fuse_reply_err(request, errno_of(slices.error()));
    return;
  }
  std::vector<iovec> parts;
  for (const Slice& slice : *slices) {
    parts.push_back({const_cast<char*>(slice.bytes.data()), slice.bytes.size()});
    bytes_read_ += slice.bytes.size();
  }
  fuse_reply_iov(request, parts.data(), static_cast<int>(parts.size()));
}

void FuseReads::interrupted(uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (!waiting_.contains(id)) return;
  interrupted_.insert(id);
  changed_.notify_all();
}

void FuseReads::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!changed_.wait(lock, stop, [this] { return !interrupted_.empty(); })) return;
    std::vector<fuse_req*> given_up;
    for (auto id = interrupted_.begin(); id != interrupted_.end();) {
      const auto found = waiting_.find(*id);
      if (!is_being_killed(fuse_req_ctx(found->second)->pid)) {
        ++id;
        continue;
      }
      given_up.push_back(found->second);
      waiting_.erase(found);
      id = interrupted_.erase(id);
    }
    lock.unlock();
    for (fuse_req* request : given_up) fuse_reply_err(request, EINTR);
    lock.lock();
    changed_.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

void FuseReads::count(std::map<std::string, uint64_t>& counters) const {
  counters["upcall.bytes_read"] += bytes_read_;
  const std::lock_guard lock(mutex_);
  counters["read.waiting"] += waiting_.size();
}

}  // namespace devrun::volume
