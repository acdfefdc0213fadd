// sim: many seeds in a few processes, each of which plays every n-th. A worker that dies (a CHECK of the product's) is a
// finding of the seed that it was at.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "tests/sim/options.h"
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

constexpr uint64_t kPlayTwiceEvery = 50;

struct Played {
  uint64_t hash = 0;
  uint64_t events = 0;
  std::string failure;
  Counted counts;
};

Played play(uint64_t seed, bool tell) {
  World world(seed, tell);
  world.run();
  Played out{world.trace.hash(), world.queue.ran(), {}, world.trace.counts()};
  if (world.failed()) out.failure = world.failed_checker + ": " + world.failure;
  return out;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text;
}

struct Totals {
  uint64_t seeds = 0;
  uint64_t events = 0;
  Counted counts;
  std::map<uint64_t, std::string> failures;
};

// Lines "kind TAB name TAB number".
void put(FILE* out, const Totals& totals) {
  std::fprintf(out, "seeds\t-\t%lu\nevents\t-\t%lu\n", totals.seeds, totals.events);
  for (const auto& [name, n] : totals.counts)
    std::fprintf(out, "count\t%s\t%lu\n", name.c_str(), n);
  for (const auto& [seed, what] : totals.failures) {
    std::fprintf(out, "failure\t%s\t%lu\n", one_line(what).c_str(), seed);
  }
  std::fflush(out);
}

void add(Totals& to, const std::string& line) {
  const size_t first = line.find('\t');
  const size_t last = line.rfind('\t');
  if (first == std::string::npos || first == last) return;
  const std::string kind = line.substr(0, first);
  const std::string name = line.substr(first + 1, last - first - 1);
  uint64_t number = 0;
  std::from_chars(line.data() + last + 1, line.data() + line.size(), number);
  if (kind == "seeds") to.seeds += number;
  if (kind == "events") to.events += number;
  if (kind == "count") to.counts[name] += number;
  if (kind == "failure") to.failures[number] = name;
}

// `at` is shared with the parent: the seed that is being played.
[[noreturn]] void work(const Options& options, uint64_t offset, volatile uint64_t* at, int to) {
  Totals totals;
  for (uint64_t seed = options.first + offset; seed <= options.last; seed += options.workers) {
    *at = seed;
    Played played = play(seed, options.tell);
    if (played.failure.empty() && seed % kPlayTwiceEvery == 0 &&
        play(seed, false).hash != played.hash) {
      played.failure = "replay of the seed: the second run has another trace";
    }
    ++totals.seeds;
    totals.events += played.events;
    for (const auto& [name, n] : played.counts) totals.counts[name] += n;
    if (options.first == options.last) {
      std::printf("seed %lu: trace %016lx\n", seed, played.hash);
      std::fflush(stdout);
    }
    if (played.failure.empty()) continue;
    totals.failures[seed] = played.failure;
    if (options.only_first) break;
  }
  FILE* out = ::fdopen(to, "w");
  put(out, totals);
  std::fclose(out);
  ::_exit(0);
}

struct Worker {
  pid_t pid = 0;
  int from = -1;
};

void collect(const Worker& worker, uint64_t at, Totals& totals) {
  FILE* in = ::fdopen(worker.from, "r");
  char* line = nullptr;
  size_t size = 0;
  ssize_t n = 0;
  while ((n = ::getline(&line, &size, in)) > 0) {
    add(totals, std::string(line, static_cast<size_t>(n - 1)));
  }
  std::free(line);
  std::fclose(in);
  int status = 0;
  ::waitpid(worker.pid, &status, 0);
  if (status != 0) {
    totals.failures[at] = WIFSIGNALED(status)
                              ? fmt::format("the program died with signal {}", WTERMSIG(status))
                              : "the program died";
  }
}

int tell(const Options& options, const Totals& totals, double took_s) {
  for (const auto& [name, n] : totals.counts) std::printf("%10lu  %s\n", n, name.c_str());
  std::printf("seeds %lu-%lu: %lu played, %lu events, %lu a seed, %.1f s\n", options.first,
              options.last, totals.seeds, totals.events,
              totals.seeds == 0 ? 0 : totals.events / totals.seeds, took_s);
  for (const auto& [seed, what] : totals.failures) {
    std::printf("seed %lu fails: %s. Try: sim --seed %lu --tell\n", seed, what.c_str(), seed);
  }
  return totals.failures.empty() ? 0 : 1;
}

int run(const Options& options) {
  const auto began = std::chrono::steady_clock::now();
  const uint64_t workers = std::min(options.workers, options.last - options.first + 1);
  void* shared = ::mmap(nullptr, workers * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  auto* at = static_cast<volatile uint64_t*>(shared);
  std::vector<Worker> all;
  for (uint64_t i = 0; i < workers; ++i) {
    int pipe[2];
    CHECK(::pipe(pipe) == 0);
    std::fflush(stdout);
    const pid_t pid = ::fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(pipe[0]);
      work(options, i, at + i, pipe[1]);
    }
    ::close(pipe[1]);
    all.push_back({pid, pipe[0]});
  }
  Totals totals;
  for (uint64_t i = 0; i < workers; ++i) collect(all[i], at[i], totals);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return tell(options, totals, took.count());
}

}  // namespace

}  // namespace devrun::sim

int main(int argc, char** argv) {
  using namespace devrun::sim;
  const std::optional<Options> options = parse_options({argv + 1, argv + argc});
  if (!options || options->help) {
    std::fputs(kUsage.data(), options ? stdout : stderr);
    return options ? 0 : 2;
  }
  return run(*options);
}
