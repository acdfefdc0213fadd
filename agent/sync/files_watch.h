// Whether the node's devrun-fs lives. Without it every file of every attempt is out of reach, for good: its mounts are
// kept open by the keeper, so that readers wait rather than fail, and no other devrun-fs can take them over.
//
// The process at the other end of the control socket is known by a pidfd, so its end is noticed at once and by the
// kernel's word, however busy it was; only while there is none is the socket tried again and again.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::agent {

class FilesWatch {
 public:
  // On the watch's thread, at each change: what is wrong, for people; empty: nothing. `for_good`: one that had been
  // seen alive has ended, so that the node must be started anew; nothing more is said after that.
  using Tell = std::function<void(const std::string& trouble, bool for_good)>;

  // The first answer is told before this returns, if it is a bad one.
  FilesWatch(std::string control_socket, Tell tell);
  ~FilesWatch();
  FilesWatch(const FilesWatch&) = delete;
  FilesWatch& operator=(const FilesWatch&) = delete;

 private:
  Result<UniqueFd> find() const;  // a pidfd
  void watch(UniqueFd process);
  bool pause() const;  // false: stop

  const std::string control_socket_;
  const Tell tell_;
  const UniqueFd stop_;
  std::thread thread_;
};

// Makes everything that waits for the mounts' lost server fail instead, so that it can end. Idempotent.
Status give_up_mounts(const std::string& keeper_socket);

}  // namespace devrun::agent
