#include "agent/volume/nfs_servers.h"

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/units.h"

namespace devrun::volume {

namespace {
constexpr size_t kHandlesMax = 4096;
}

NfsServers::NfsServers(std::vector<NfsAddress> addresses)
    : addresses_(std::move(addresses)), handles_(addresses_.size()) {
  CHECK(!addresses_.empty());
}

size_t NfsServers::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void NfsServers::failed(size_t server) {
  const std::lock_guard lock(mutex_);
  if (addresses_.size() == 1 || server != current_) return;
  current_ = (server + 1) % addresses_.size();
  moves_ += 1;
}

void NfsServers::prefer(size_t server) {
  const std::lock_guard lock(mutex_);
  if (server == current_) return;
  current_ = server;
  moves_ += 1;
  log::info("the store at {}:{} answers again and is used again", addresses_[server].host,
            addresses_[server].port);
}

std::string NfsServers::handle(size_t server, const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  const auto found = handles_[server].find(folder);
  return found == handles_[server].end() ? std::string() : found->second;
}

void NfsServers::keep_handle(size_t server, const std::string& folder, const std::string& handle) {
  const std::lock_guard lock(mutex_);
  if (handles_[server].size() >= kHandlesMax) handles_[server].clear();
  handles_[server][folder] = handle;
}

void NfsServers::drop_handle(size_t server, const std::string& folder, const std::string& handle) {
  const std::lock_guard lock(mutex_);
  const auto found = handles_[server].find(folder);
  if (found != handles_[server].end() && found->second == handle) handles_[server].erase(found);
}

void NfsServers::tell_away(size_t server, std::chrono::milliseconds since, const std::string& why,
                           size_t readers) {
  const std::lock_guard lock(mutex_);
  if (away_) return;
  away_ = true;
  away_since_ = std::chrono::steady_clock::now() - since;
  log::warning("the store at {}:{} does not answer for {} ({}): {} reads wait for it",
               addresses_[server].host, addresses_[server].port,
               format_duration(Duration{std::chrono::microseconds(since).count()}), why, readers);
}

void NfsServers::tell_back(size_t server) {
  const std::lock_guard lock(mutex_);
  if (!away_) return;
  away_ = false;
  log::info("the store answers again, at {}:{}", addresses_[server].host, addresses_[server].port);
}

uint64_t NfsServers::away_seconds() const {
  const std::lock_guard lock(mutex_);
  if (!away_) return 0;
  const auto since = std::chrono::steady_clock::now() - away_since_;
  return 1 + static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(since).count());
}

uint64_t NfsServers::moves() const {
  const std::lock_guard lock(mutex_);
  return moves_;
}

}  // namespace devrun::volume
