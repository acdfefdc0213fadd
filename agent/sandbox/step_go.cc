// All is there: the shim may run crun. Done once the shim serves its socket.
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr int kReadyPatienceMs = 10'000;

// The last line of what the shim had to say.
std::string last_words(const Places& places) {
  const Result<std::string> log = read_file(places.in("shim.log"), 1 << 20);
  if (!log || log->empty()) return "it left no message";
  std::string_view rest = *log;
  while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  const size_t line = rest.rfind('\n');
  if (line != std::string_view::npos) rest.remove_prefix(line + 1);
  return std::string(rest);
}

Status run(Setup& setup) {
  pollfd wanted{setup.shim_ready.get(), POLLIN, 0};
  int n = 0;
  do {
    n = ::poll(&wanted, 1, kReadyPatienceMs);
  } while (n < 0 && errno == EINTR);
  char byte = 0;
  if (n <= 0 || ::read(setup.shim_ready.get(), &byte, 1) != 1) {
    return Error{Code::kInternal, "devrun-shim did not start: " + last_words(setup.places), {}};
  }
  TRY(write_all(setup.shim_go.get(), "g"));
  setup.shim_go.reset();
  setup.timeline.started = wall_clock();
  return ok();
}

}  // namespace

Step step_go() {
  return {"go", run, [](const Ground&, const Places&) { return ok(); }};
}

}  // namespace devrun::sandbox
