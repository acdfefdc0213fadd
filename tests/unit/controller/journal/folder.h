// A folder for a test's databases, in memory where that can be: a crash here is a process that goes, not a disk, and
// thousands of commits cost nothing then.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace devrun::controller {

struct Folder {
  std::string path;
  Folder() {
    const bool memory = std::filesystem::is_directory("/dev/shm");
    std::string pattern = (memory ? "/dev/shm" : "/tmp") + std::string("/devrun-journal-XXXXXX");
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string db() const { return path + "/journal.db"; }
};

}  // namespace devrun::controller
