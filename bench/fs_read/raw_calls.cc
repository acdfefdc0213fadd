#include "bench/fs_read/raw_calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "agent/volume/libnfs_headers.h"
#include "agent/volume/nfs_compound.h"

namespace devrun::bench {

namespace {

struct Connection {
  const std::vector<RawRead>& reads;
  std::atomic<size_t>& next;
  std::atomic<uint64_t>& bytes;
  std::atomic<bool>& failed;
  unsigned under_way = 0;
  bool connected = false;
};

void on_connected(rpc_context*, int status, void*, void* data) {
  auto* self = static_cast<Connection*>(data);
  self->connected = status == RPC_STATUS_SUCCESS;
  if (!self->connected) self->failed = true;
}

void on_read(rpc_context*, int status, void* data, void* private_data) {
  auto* self = static_cast<Connection*>(private_data);
  self->under_way -= 1;
  const auto* reply = static_cast<const COMPOUND4res*>(data);
  if (status != RPC_STATUS_SUCCESS || reply->status != NFS4_OK) {
    self->failed = true;
    return;
  }
  const nfs_resop4& last = reply->resarray.resarray_val[reply->resarray.resarray_len - 1];
  self->bytes += last.nfs_resop4_u.opread.READ4res_u.resok4.data.data_len;
}

void serve(rpc_context* rpc, Connection& self, unsigned in_flight) {
  bool no_delay = false;
  while (!self.failed) {
    while (self.connected && self.under_way < in_flight) {
      const size_t number = self.next.fetch_add(1);
      if (number >= self.reads.size()) break;
      const RawRead& read = self.reads[number];
      volume::NfsRequest request;
      request.names = volume::split_path(read.path);
      request.offset = read.offset;
      request.count = read.count;
      self.under_way += 1;
      volume::send_compound(rpc, request, on_read, &self);
    }
    if (self.connected && self.under_way == 0) return;
    pollfd polled{rpc_get_fd(rpc), static_cast<short>(rpc_which_events(rpc)), 0};
    if (::poll(&polled, 1, 1000) > 0 && rpc_service(rpc, polled.revents) != 0) self.failed = true;
    if (self.connected && !no_delay) {
      const int yes = 1;
      ::setsockopt(rpc_get_fd(rpc), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      no_delay = true;
    }
  }
}

}  // namespace

Result<uint64_t> read_raw(const volume::NfsAddress& address, const std::vector<RawRead>& reads,
                          unsigned connections, unsigned in_flight) {
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<bool> failed{false};
  std::mutex connecting;  // libnfs keeps the next source port in a static variable
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < connections; ++i) {
    threads.emplace_back([&] {
      Connection self{reads, next, bytes, failed};
      rpc_context* rpc = rpc_init_context();
      {
        const std::lock_guard one(connecting);
        if (rpc_connect_async(rpc, address.host.c_str(), address.port, on_connected, &self) != 0) {
          failed = true;
        }
      }
      serve(rpc, self, in_flight);
      rpc_destroy_context(rpc);
    });
  }
  threads.clear();
  if (failed) return Error{Code::kIo, "a raw read failed", {}};
  return bytes.load();
}

}  // namespace devrun::bench
