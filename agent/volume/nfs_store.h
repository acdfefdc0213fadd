// The export over NFSv4.0. Every read is one compound: handle of the folder, LOOKUP, READ. Folder
// handles are kept; a handle gone stale is looked up once more by name. Large reads have a
// connection of their own, so that small ones never queue behind them, and so have those of
// prefetch priority, of which fewer are under way.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/volume/nfs_address.h"
#include "agent/volume/nfs_connection.h"
#include "agent/volume/object_store.h"

namespace devrun::volume {

class NfsStore final : public ObjectStore {
 public:
  // Does not wait for the server.
  static Result<std::unique_ptr<NfsStore>> open(const NfsAddress& address,
                                                NfsConnection::Options options);

  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max, Deadline deadline,
                                 Priority priority) override;
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline, Priority priority) override;
  void count(std::map<std::string, uint64_t>& counters) const override;

 private:
  using Connections = std::array<std::unique_ptr<NfsConnection>, 4>;

  NfsStore(std::vector<std::string> export_path, Connections connections)
      : export_path_(std::move(export_path)), connections_(std::move(connections)) {}

  NfsConnection& connection_for(uint64_t size, Priority priority);

  // One READ; with end_of_file.
  Result<NfsAnswer> read_once(NfsConnection& connection, const std::string& path, uint64_t offset,
                              uint32_t count, Deadline deadline);
  Result<NfsAnswer> attempt(NfsConnection& connection, const std::string& path, uint64_t offset,
                            uint32_t count, Deadline deadline);
  std::string handle_of(const std::string& folder);
  void keep_handle(const std::string& folder, const std::string& handle);
  void drop_handle(const std::string& folder, const std::string& handle);

  const std::vector<std::string> export_path_;
  std::mutex mutex_;
  std::map<std::string, std::string> handles_;  // by folder; folders are a few hundred
  const Connections connections_;               // demand: small, large; prefetch: small, large
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<uint64_t> retries_{0};
};

}  // namespace devrun::volume
