// A real nfs-ganesha on a free port of 127.0.0.1 that exports a folder, for tests. Leaves nothing
// outside `run_folder`.
#pragma once

#include <sys/types.h>

#include <string>

#include "agent/volume/nfs_address.h"

namespace devrun::volume {

class Ganesha {
 public:
  // False where the package is not installed.
  static bool is_installed();

  Ganesha(std::string export_folder, std::string run_folder);
  ~Ganesha();  // killed

  void start();  // returns once it accepts connections
  void kill();   // SIGKILL, and its end awaited
  void hang();   // SIGSTOP
  void go_on();  // SIGCONT
  NfsAddress address() const;

 private:
  std::string export_folder_;
  std::string run_folder_;
  int port_;
  pid_t pid_ = 0;
};

}  // namespace devrun::volume
