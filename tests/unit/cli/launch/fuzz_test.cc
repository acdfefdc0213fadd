// The parser against files that nobody means: mutations of real ones, seeded, so that a failure can be had again. It must
// end soon, with a plan or with errors that have a place, and say nothing of secrets. DEVRUN_FUZZ_ROUNDS asks for more
// (tests/run --all does).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "cli/launch/plan.h"

namespace devrun::launch {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

constexpr std::string_view kPieces[] = {"&a ",
                                        "*a",
                                        "<<: *a\n",
                                        "!!map ",
                                        "? ",
                                        ": ",
                                        "- ",
                                        "\n",
                                        "  ",
                                        "\t",
                                        "|\n",
                                        ">+\n",
                                        "'",
                                        "\"",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "---\n",
                                        "...\n",
                                        "%YAML 1.1\n",
                                        "#",
                                        "\xff",
                                        "\xC3\xA9",
                                        "\x01",
                                        "null",
                                        "~",
                                        "1e309",
                                        "0x",
                                        "1:60",
                                        "\\",
                                        "@",
                                        "`",
                                        ",",
                                        "\xEF\xBB\xBF",
                                        "run: ",
                                        "envs:",
                                        "secrets:",
                                        "num_nodes: -1\n",
                                        "${X}",
                                        "..",
                                        "\r"};

std::string seeds_text() {
  return R"(name: seed
workdir: .
num_nodes: 2
resources: &r
  cpus: 4+
  accelerators: {H100: 8, A100:8}
  any_of: [{cpus: 1}, {memory: 16}]
  ports: [80, 8000-8010]
envs: {A: 1, B: null, C: 'x'}
secrets: {TOKEN: sesame-open-please}
file_mounts: {/data: s3://b/c, ~/x: {name: n, mode: COPY}}
volumes: {/v: vol}
service: {readiness_probe: /health, replicas: 2}
devrun: {sweep: {lr: [1, 2], seed: 1..3}}
setup: |
  pip install x
run: |
  python train.py --lr $lr
)";
}

std::vector<std::string> seeds() {
  std::vector<std::string> out{seeds_text(), "name: p\n---\n" + seeds_text() + "---\nrun: x\n"};
  const char* named = std::getenv("DEVRUN_CORPUS");
  const fs::path folder = named != nullptr
                              ? fs::path(named)
                              : fs::path(DEVRUN_SOURCE_FOLDER) / "../shared/corpus/skypilot";
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension != ".yaml" && extension != ".yml") continue;
    if (auto text = read_task_file(entry.path())) out.push_back(*std::move(text));
  }
  return out;
}

size_t below(Random& random, size_t n) {
  return n == 0 ? 0 : static_cast<size_t>(random() % n);
}

void mutate(Random& random, const std::vector<std::string>& all, std::string& text) {
  const size_t at = below(random, text.size() + 1);
  const size_t length = below(random, std::min<size_t>(text.size() - at, 40) + 1);
  switch (below(random, 7)) {
    case 0:
      text.erase(at, length);
      break;
    case 1:
      text.insert(at, kPieces[below(random, std::size(kPieces))]);
      break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(random());
      break;
    case 3:
      text.insert(at, text.substr(at, length));
      break;
    case 4: {
      const std::string& other = all[below(random, all.size())];
      const size_t from = below(random, other.size() + 1);
      text.insert(at, other.substr(from, below(random, 200)));
      break;
    }
    case 5:
      text.insert(at, std::string(below(random, 100), "[{-? \n"[below(random, 6)]));
      break;
    default:
      text.resize(at);
      break;
  }
}

// What holds of any text.
void check(const std::string& text) {
  const ParsedTaskFile parsed = parse_task_file(text);
  EXPECT_EQ(parsed.file.has_value(), !has_errors(parsed.diagnostics));
  const int lines = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n') +
                                         std::count(text.begin(), text.end(), '\r'));
  for (const Diagnostic& d : parsed.diagnostics) {
    EXPECT_FALSE(d.message.empty());
    EXPECT_GE(d.line, 0);
    EXPECT_LE(d.line, lines + 2) << d.message;
  }
  (void)render(parsed.diagnostics, "t.yaml", text, parsed.redactions);
  if (parsed.incomplete) (void)missing_values(*parsed.incomplete, {});
  if (!parsed.file) return;
  const Resolution resolution = resolve(*parsed.file, {});
  if (!resolution.plan) return;
  (void)plan_text(*resolution.plan, resolution.diagnostics);
  (void)plan_json(*resolution.plan, resolution.diagnostics);
}

TEST(Fuzz, MutatedFilesEndInAPlanOrInErrors) {
  const char* more = std::getenv("DEVRUN_FUZZ_ROUNDS");
  const long rounds = more != nullptr ? std::atol(more) : 1500;
  const std::vector<std::string> all = seeds();
  double slowest_ms = 0;
  for (long round = 0; round < rounds; ++round) {
    Random random(static_cast<uint64_t>(round));
    std::string text = all[below(random, all.size())];
    for (size_t n = 1 + below(random, 6); n > 0; --n) mutate(random, all, text);
    SCOPED_TRACE(round);
    const auto begin = std::chrono::steady_clock::now();
    check(text);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    slowest_ms = std::max(slowest_ms, took.count());
    if (testing::Test::HasFailure()) {
      std::ofstream("/tmp/devrun-fuzz-failure.yaml", std::ios::binary) << text;
      FAIL() << "round " << round << "; the file is /tmp/devrun-fuzz-failure.yaml";
    }
  }
  std::cout << rounds << " mutated files of " << all.size() << "; the slowest took " << slowest_ms
            << " ms\n";
}

std::string hostile(const std::string& text) {
  const auto begin = std::chrono::steady_clock::now();
  const ParsedTaskFile parsed = parse_task_file(text);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took.count(), 20) << "a hostile file cost seconds";
  EXPECT_FALSE(parsed.file);
  return parsed.diagnostics.empty() ? "" : parsed.diagnostics.front().message;
}

TEST(Fuzz, HostileFilesAreRefusedWithinLimits) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_NE(hostile(bomb).find("values, aliases written out"), std::string::npos);
  EXPECT_NE(hostile("a: " + std::string(5000, '[')).find("nested deeper"), std::string::npos);
  EXPECT_NE(hostile("a: " + std::string(5000, '{')).find("nested deeper"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_NE(hostile(deep).find("nested deeper"), std::string::npos);
  EXPECT_NE(hostile("run: '" + std::string(300 << 10, 'x') + "'\n").find("bytes"),
            std::string::npos);
  EXPECT_NE(hostile("run: x\nrun: y\n").find("repeated"), std::string::npos);
  EXPECT_NE(hostile("a: &a [*a]\n"), "");
  EXPECT_NE(hostile(std::string("r\0u\0n\0:\0", 8)), "");
  EXPECT_NE(hostile("run: \xC0\xAF\n"), "");
  EXPECT_NE(hostile(std::string("run: a\0b\n", 9)), "");
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "---\nrun: x\n";
  EXPECT_NE(hostile(many).find("documents"), std::string::npos);
}

}  // namespace
}  // namespace devrun::launch
