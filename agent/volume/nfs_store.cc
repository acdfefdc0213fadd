#include "agent/volume/nfs_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "agent/volume/libnfs_headers.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kSmallBytesMax = 64 << 10;
// Places in Connections.
constexpr size_t kLarge = 1;
constexpr size_t kPrefetch = 2;
constexpr size_t kPrefetchSmallMax = 32;  // calls in flight
constexpr size_t kPrefetchLargeMax = 4;
constexpr size_t kHandlesMax = 4096;
constexpr int kStaleTriesMax = 3;
constexpr std::chrono::milliseconds kBusyPause{100};

bool is_stale(int status) {
  return status == NFS4ERR_STALE || status == NFS4ERR_BADHANDLE || status == NFS4ERR_FHEXPIRED;
}

// The server asks for patience.
bool is_busy(int status) {
  return status == NFS4ERR_DELAY || status == NFS4ERR_GRACE || status == NFS4ERR_RESOURCE;
}

Error error_of(const std::string& path, int status) {
  if (status == NFS4ERR_NOENT) {
    return Error{Code::kNotFound, fmt::format("{}: no such file in the store", path), {}};
  }
  if (status == NFS4ERR_ACCESS || status == NFS4ERR_PERM || status == NFS4ERR_WRONGSEC) {
    return Error{
        Code::kDenied,
        fmt::format("the store does not let this node read {}: {}", path, nfs_status_name(status)),
        "check the export's client list, and that devrun-fs runs as root"};
  }
  return Error{Code::kIo, fmt::format("read {}: {}", path, nfs_status_name(status)), {}};
}

}  // namespace

Result<std::unique_ptr<NfsStore>> NfsStore::open(const NfsAddress& address,
                                                 NfsConnection::Options options) {
  Connections connections;
  for (size_t i = 0; i < connections.size(); ++i) {
    NfsConnection::Options own = options;
    if (i >= kPrefetch) own.in_flight_max = i & kLarge ? kPrefetchLargeMax : kPrefetchSmallMax;
    connections[i] = TRY(NfsConnection::open(address, own));
  }
  return std::unique_ptr<NfsStore>(new NfsStore(address.export_path, std::move(connections)));
}

NfsConnection& NfsStore::connection_for(uint64_t size, Priority priority) {
  const size_t urgency = priority == Priority::kDemand ? 0 : kPrefetch;
  return *connections_[urgency + (size <= kSmallBytesMax ? 0 : kLarge)];
}

Result<std::string> NfsStore::read_whole(const std::string& path, uint64_t bytes_max,
                                         Deadline deadline, Priority priority) {
  std::string out;
  for (;;) {
    NfsConnection& connection = connection_for(out.size(), priority);
    NfsAnswer answer = TRY(read_once(connection, path, out.size(), kNfsReadBytesMax, deadline));
    if (out.empty()) {
      out = std::move(answer.data);
    } else {
      out += answer.data;
    }
    if (out.size() > bytes_max) {
      return Error{Code::kExhausted, fmt::format("{} has more than {} bytes", path, bytes_max), {}};
    }
    if (answer.end_of_file) return out;
  }
}

Result<std::string> NfsStore::read_range(const std::string& path, uint64_t offset, uint64_t size,
                                         Deadline deadline, Priority priority) {
  NfsConnection& connection = connection_for(size, priority);
  std::string out;
  while (out.size() < size) {
    const auto count =
        static_cast<uint32_t>(std::min<uint64_t>(size - out.size(), kNfsReadBytesMax));
    NfsAnswer answer = TRY(read_once(connection, path, offset + out.size(), count, deadline));
    if (out.empty()) {
      out = std::move(answer.data);
    } else {
      out += answer.data;
    }
    if (answer.end_of_file) break;
  }
  return out;
}

Result<NfsAnswer> NfsStore::read_once(NfsConnection& connection, const std::string& path,
                                      uint64_t offset, uint32_t count, Deadline deadline) {
  int stale_tries = 0;
  for (;;) {
    NfsAnswer answer = TRY(attempt(connection, path, offset, count, deadline));
    if (answer.status == NFS4_OK) {
      if (answer.data.empty() && !answer.end_of_file) {
        return Error{Code::kIo, fmt::format("read {}: neither bytes nor an end", path), {}};
      }
      reads_ += 1;
      bytes_read_ += answer.data.size();
      return answer;
    }
    retries_ += 1;
    if (is_busy(answer.status)) {
      if (deadline && std::chrono::steady_clock::now() + kBusyPause > *deadline) {
        return Error{Code::kUnavailable, "the store is busy", {}};
      }
      std::this_thread::sleep_for(kBusyPause);
      continue;
    }
    if (is_stale(answer.status) && ++stale_tries < kStaleTriesMax) continue;
    return error_of(path, answer.status);
  }
}

Result<NfsAnswer> NfsStore::attempt(NfsConnection& connection, const std::string& path,
                                    uint64_t offset, uint32_t count, Deadline deadline) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
  NfsRequest request;
  request.offset = offset;
  request.count = count;
  request.start = handle_of(folder);
  const std::string used = request.start;
  if (used.empty()) {
    request.names = export_path_;
    for (std::string& name : split_path(path)) request.names.push_back(std::move(name));
    if (request.names.size() > NfsRequest::kNamesMax) {
      return Error{Code::kInvalid, fmt::format("{} lies too deep in the export", path), {}};
    }
    request.handle_after = request.names.size() - 1;
  } else {
    request.names = {path.substr(slash == std::string::npos ? 0 : slash + 1)};
  }
  NfsAnswer answer = TRY(connection.perform(std::move(request), deadline));
  if (is_stale(answer.status)) drop_handle(folder, used);
  if (answer.status == NFS4ERR_NOENT && !used.empty()) {
    // The folder may have gone and come again: only the way from the root is proof.
    drop_handle(folder, used);
    answer.status = NFS4ERR_STALE;
  }
  if (!answer.handle.empty()) keep_handle(folder, answer.handle);
  return answer;
}

std::string NfsStore::handle_of(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  const auto found = handles_.find(folder);
  return found == handles_.end() ? std::string() : found->second;
}

void NfsStore::keep_handle(const std::string& folder, const std::string& handle) {
  const std::lock_guard lock(mutex_);
  if (handles_.size() >= kHandlesMax) handles_.clear();
  handles_[folder] = handle;
}

void NfsStore::drop_handle(const std::string& folder, const std::string& handle) {
  const std::lock_guard lock(mutex_);
  const auto found = handles_.find(folder);
  if (found != handles_.end() && found->second == handle) handles_.erase(found);
}

void NfsStore::count(std::map<std::string, uint64_t>& counters) const {
  for (const auto& connection : connections_) {
    counters["nfs.call"] += connection->calls();
    counters["nfs.connect"] += connection->connects();
  }
  counters["nfs.read"] = reads_;
  counters["nfs.bytes_read"] = bytes_read_;
  counters["nfs.retry"] = retries_;
}

}  // namespace devrun::volume
