// Asks devrun-fs every few seconds what it has counted, and tells it if that has changed: `devrun nodes show` prints it.
// A devrun-fs that does not answer is not told of here; files_watch.h does that.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "common/model/node.h"

namespace devrun::agent {

class FilesCounts {
 public:
  // `tell` is called on a thread of its own.
  FilesCounts(std::string control_socket, std::function<void(const Counts&)> tell);
  ~FilesCounts();
  FilesCounts(const FilesCounts&) = delete;
  FilesCounts& operator=(const FilesCounts&) = delete;

 private:
  void run(const std::stop_token& stop);

  const std::string control_socket_;
  const std::function<void(const Counts&)> tell_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace devrun::agent
