// Whether the node's devrun-fs lives. Without it every file of every attempt is out of reach: its mounts are kept open by
// the keeper, so that readers wait rather than fail, and the keeper starts it again. Short absences are nobody's business;
// longer ones are told; one that lasts, or a keeper that has given up, is for good: then what runs is lost, and its readers
// are to get errors rather than to wait for ever (give_up_mounts).
//
// The process at the other end of the control socket is known by a pidfd, so its end is noticed at once and by the
// kernel's word, however busy it was; only while there is none is the socket tried again and again.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::agent {

class FilesWatch {
 public:
  struct Options {
    std::string control_socket;
    std::string keeper_socket = {};                 // empty: nobody says that it is given up
    std::chrono::milliseconds quiet{3000};          // an absence that is told
    std::chrono::milliseconds absence_max{90'000};  // one that is for good
  };
  // On the watch's thread, at each change: what is wrong, for people; empty: nothing. `for_good`: nobody is waited for any
  // more, though one that comes all the same is told of.
  using Tell = std::function<void(const std::string& trouble, bool for_good)>;

  // The first answer is told before this returns, if it is a bad one.
  FilesWatch(Options options, Tell tell);
  ~FilesWatch();
  FilesWatch(const FilesWatch&) = delete;
  FilesWatch& operator=(const FilesWatch&) = delete;

 private:
  Result<UniqueFd> find() const;  // a pidfd
  void watch(UniqueFd process);
  // Empty: stop.
  UniqueFd await_process(bool told);
  std::string given_up() const;
  bool pause() const;  // false: stop

  const Options options_;
  const Tell tell_;
  const UniqueFd stop_;
  std::thread thread_;
};

// Makes everything that waits for the mounts' lost server fail instead, so that it can end. Idempotent.
Status give_up_mounts(const std::string& keeper_socket);

}  // namespace devrun::agent
