#include "cli/pilots/admit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "cli/cluster/process.h"
#include "common/runtime/file.h"

namespace devrun::pilots {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTop = "/run/devrun-slurm";
constexpr size_t kSecretBytesMax = 4096;
constexpr Duration kPilotBeginsWithin = seconds(10);

std::string token_file(uint64_t job) {
  return waiting_folder(job) + "/token";
}
std::string joined_file(uint64_t job) {
  return waiting_folder(job) + "/joined";
}

std::string lock_file(const std::string& folder) {
  return folder + "/lock";
}

bool is_there(const std::string& path) {
  std::error_code failed;
  return fs::exists(path, failed);
}

Result<std::string> read_all(int input) {
  std::string out;
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::read(input, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("reading stdin", errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > kSecretBytesMax) return Error{Code::kExhausted, "stdin is too long", {}};
  }
}

}  // namespace

std::string waiting_folder(uint64_t job) {
  return fmt::format("{}/{}", kTop, job);
}

Status admit(uint64_t job, int input) {
  const std::string text = TRY(read_all(input));
  TRY(parse_secret(text));
  if (!cluster::wait_until(kPilotBeginsWithin, [&] { return is_there(waiting_folder(job)); })) {
    return Error{Code::kNotFound, fmt::format("no pilot waits in Slurm's job {} here", job), {}};
  }
  if (is_there(joined_file(job))) {
    return Error{
        Code::kConflict, fmt::format("the pilot of Slurm's job {} has joined before", job), {}};
  }
  return write_file_atomically(token_file(job), text, 0600);
}

std::string to_text(const Secret& secret) {
  return secret.endpoint + "\n" + secret.token + "\n";
}

Result<Secret> parse_secret(const std::string& text) {
  const size_t first = text.find('\n');
  const size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (first == 0 || second == std::string::npos || second == first + 1 ||
      second + 1 != text.size()) {
    return Error{Code::kInvalid, "stdin has to say HOST:PORT and a token, a line each", {}};
  }
  return Secret{text.substr(0, first), text.substr(first + 1, second - first - 1)};
}

Result<UniqueFd> make_waiting_folder(uint64_t job) {
  TRY(make_folders(kTop, 0700));
  // One at a time, so that nobody takes a folder that is being made for one that was left.
  const UniqueFd turn =
      TRY(open_file(fmt::format("{}/folders.lock", kTop), O_RDWR | O_CREAT, 0600));
  if (::flock(turn.get(), LOCK_EX) != 0) return errno_error("flock", errno);
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(kTop, failed)) {
    if (!entry.is_directory(failed)) continue;
    const auto lock = open_file(lock_file(entry.path().string()), O_RDWR);
    if (lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code stays;
    fs::remove_all(entry.path(), stays);
  }
  TRY(make_folders(waiting_folder(job), 0700));
  UniqueFd out = TRY(open_file(lock_file(waiting_folder(job)), O_RDWR | O_CREAT, 0600));
  if (::flock(out.get(), LOCK_EX | LOCK_NB) != 0) return errno_error("flock", errno);
  return out;
}

Result<Secret> await_secret(uint64_t job, Duration at_most, bool (*stop)()) {
  Result<std::string> text = Error{Code::kTimeout,
                                   fmt::format("nobody let this pilot in: devrun-slurm on the "
                                               "controller's side did not bring its token"),
                                   "journalctl -u devrun-slurm there"};
  cluster::wait_until(at_most, [&] {
    if (stop()) text = Error{Code::kCancelled, "told to end while it waited for its token", {}};
    if (stop()) return true;
    if (!is_there(token_file(job))) return false;
    text = read_file(token_file(job), kSecretBytesMax);
    return true;
  });
  std::error_code failed;
  fs::remove(token_file(job), failed);
  return parse_secret(TRY(std::move(text)));
}

Status note_joined(uint64_t job) {
  return write_file_atomically(joined_file(job), "", 0600);
}

void remove_waiting_folder(uint64_t job) {
  std::error_code failed;
  fs::remove_all(waiting_folder(job), failed);
}

}  // namespace devrun::pilots
