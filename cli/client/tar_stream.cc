#include "cli/client/tar_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>

#include "common/runtime/pipe.h"

namespace devrun::cli {

namespace {
constexpr int kStatusNotFound = 127;
}

Result<TarStream> TarStream::of_folder(const std::string& folder) {
  Pipe pipe = TRY(make_pipe());
  UniqueFd read = std::move(pipe.read);
  const UniqueFd write = std::move(pipe.write);
  const std::string directory = "--directory=" + folder;
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid == 0) {
    ::dup2(write.get(), 1);
    signal(SIGPIPE, SIG_DFL);
    ::execlp("tar", "tar", "--create", "--file=-", directory.c_str(), "--numeric-owner", "--xattrs",
             "--xattrs-include=*", "--sparse", "--one-file-system", ".", nullptr);
    ::_exit(kStatusNotFound);
  }
  return TarStream(pid, std::move(read));
}

TarStream::~TarStream() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Status TarStream::finish() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok();
  if (WIFEXITED(status) && WEXITSTATUS(status) == kStatusNotFound) {
    return Error{Code::kNotFound, "tar is not installed here, and packs what is imported",
                 "apt-get install tar"};
  }
  return Error{Code::kIo, "tar could not pack everything, so nothing was imported", {}};
}

}  // namespace devrun::cli
