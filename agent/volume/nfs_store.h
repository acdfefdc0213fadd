// The export over NFSv4.0. Every read is one compound: handle of the folder, LOOKUP, READ. Large reads have connections
// of their own, so that small ones never queue behind them, and so have those of prefetch priority, of which fewer are
// under way.
//
// With several servers the first is used as long as it answers; who came to another one goes back when it does again.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/volume/nfs_address.h"
#include "agent/volume/nfs_connection.h"
#include "agent/volume/nfs_servers.h"
#include "agent/volume/object_store.h"

namespace devrun::volume {

class NfsStore final : public ObjectStore {
 public:
  // Does not wait for a server. At least one address, the preferred one first; all of the same store.
  static Result<std::unique_ptr<NfsStore>> open(std::vector<NfsAddress> addresses,
                                                NfsConnection::Options options);
  ~NfsStore() override;

  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max, Deadline deadline,
                                 Priority priority) override;
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline, Priority priority) override;
  void start(const Range& range, Done done) override;
  void close() override;
  void count(std::map<std::string, uint64_t>& counters) const override;

 private:
  static constexpr size_t kConnections = 6;

  explicit NfsStore(std::vector<NfsAddress> addresses) : servers_(std::move(addresses)) {}

  NfsConnection& connection_for(uint64_t size, Priority priority);
  // Pieces that follow one another, all at once; fewer bytes than asked for only at the file's end.
  Result<std::string> read_pieces(const std::string& path, uint64_t offset, uint64_t size,
                                  Deadline deadline, Priority priority, bool& end_of_file);
  Result<NfsAnswer> checked(const std::string& path, Result<NfsAnswer> answer);
  void watch_preferred(const std::stop_token& stop, NfsConnection::Options options);

  NfsServers servers_;
  std::array<std::unique_ptr<NfsConnection>, kConnections> connections_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
  std::jthread watcher_;  // only with several servers
};

}  // namespace devrun::volume
