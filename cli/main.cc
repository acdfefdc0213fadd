// devrun: the composition root of the CLI.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/commands/dispatch.h"

namespace {

// A descriptor that we open must never become the stdin, stdout or stderr that the caller closed. Before all other
// constructors, since gRPC's open some.
__attribute__((constructor(101))) void keep_standard_descriptors() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    ::close(fd);
    return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  devrun::cli::Console console(STDOUT_FILENO, STDERR_FILENO);
  devrun::cli::Context context{{}, console, STDIN_FILENO};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    context.surroundings.environment.emplace_back(*entry);
  }
  // gRPC's words are not for users: errors come as values. After the environment was read, which is the job's.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const int status = devrun::cli::run_devrun(arguments, context);
  // Not exit(): there is nothing left to save, and taking gRPC's threads down would cost more than many a job.
  ::_exit(status);
}
