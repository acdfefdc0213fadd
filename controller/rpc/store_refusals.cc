#include "controller/rpc/store_refusals.h"

#include <fmt/format.h>
#include <signal.h>

#include <cerrno>

#include "common/base/log.h"
#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun::controller {

StoreRefusals::StoreRefusals(const std::string& state_folder, std::string server)
    : file_(refused_clients_file(state_folder)), server_(std::move(server)) {}

Result<bool> StoreRefusals::refuse(const std::string& node, const std::string& address) {
  if (server_.empty() || !is_refusable(address)) return false;
  const std::lock_guard lock(mutex_);
  RefusedClients clients = TRY(read_refused_clients(file_));
  clients[address] = node;
  TRY(write_refused_clients(file_, clients));
  TRY(tell(clients));
  log::info("the NFS server of the store answers {} no more, which was {}", address, node);
  return true;
}

Status StoreRefusals::admit(const std::string& node, const std::string& address) {
  if (server_.empty()) return ok();
  const std::lock_guard lock(mutex_);
  RefusedClients clients = TRY(read_refused_clients(file_));
  const size_t gone = std::erase_if(
      clients, [&](const auto& one) { return one.first == address || one.second == node; });
  if (gone == 0) return ok();
  TRY(write_refused_clients(file_, clients));
  TRY(tell(clients));
  log::info("the NFS server of the store answers {} again, which is {}", address, node);
  return ok();
}

// One that does not run gets the list as it starts.
Status StoreRefusals::tell(const RefusedClients& clients) const {
  const std::string path = server_ + "/ganesha.conf";
  const Result<std::string> config = read_file(path);
  if (!config && config.error().code == Code::kNotFound) return ok();
  if (!config) return config.error();
  TRY(write_file_atomically(path, with_refused_clients(*config, clients), 0600));
  const Result<std::string> text = read_file(server_ + "/ganesha.pid", 64);
  if (!text) return ok();
  const auto pid = parse_number<pid_t>(text->substr(0, text->find('\n')));
  if (!pid) return ok();
  // The number may be another program's by now.
  const Result<std::string> words = read_file(fmt::format("/proc/{}/cmdline", *pid));
  if (!words || words->find(path) == std::string::npos) return ok();
  if (::kill(*pid, SIGHUP) == 0 || errno == ESRCH) return ok();
  return errno_error("have nfs-ganesha read its configuration again", errno);
}

}  // namespace devrun::controller
