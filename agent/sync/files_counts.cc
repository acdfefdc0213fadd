#include "agent/sync/files_counts.h"

#include "agent/volume/fs_client.h"

namespace devrun::agent {

namespace {
constexpr std::chrono::seconds kEvery{3};
}

FilesCounts::FilesCounts(std::string control_socket, std::function<void(const Counts&)> tell)
    : control_socket_(std::move(control_socket)),
      tell_(std::move(tell)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

FilesCounts::~FilesCounts() = default;

void FilesCounts::run(const std::stop_token& stop) {
  Counts last;
  while (!stop.stop_requested()) {
    const Result<Counts> counts = fs_statistics(control_socket_);
    if (counts && *counts != last) {
      last = *counts;
      tell_(last);
    }
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, stop, kEvery, [] { return false; });
  }
}

}  // namespace devrun::agent
