// The export over NFSv4.0. Every read is one compound: handle of the folder, LOOKUP, READ. Folder
// handles are kept; a handle gone stale is looked up once more by name. Large reads have a
// connection of their own, so that small ones never queue behind them.
#pragma once

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

  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max,
                                 Deadline deadline) override;
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline) override;
  void count(std::map<std::string, uint64_t>& counters) const override;

 private:
  NfsStore(std::vector<std::string> export_path, std::unique_ptr<NfsConnection> small,
           std::unique_ptr<NfsConnection> large)
      : export_path_(std::move(export_path)), small_(std::move(small)), large_(std::move(large)) {}

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
  const std::unique_ptr<NfsConnection> small_;
  const std::unique_ptr<NfsConnection> large_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<uint64_t> retries_{0};
};

}  // namespace devrun::volume
