// A folder that goes, with all that is in it, at the end of a scope.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

namespace devrun::cluster {

class ScratchFolder {
 public:
  // Need not be there, yet or any more.
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  ~ScratchFolder() {
    std::error_code failed;
    std::filesystem::remove_all(path_, failed);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

 private:
  const std::string path_;
};

}  // namespace devrun::cluster
