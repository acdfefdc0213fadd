// Anything typed, clicked, pushed and resized at random: no screen breaks, the selection is always in the list, and what
// comes of output does not depend on the pieces that it comes in. Seeds are fixed; DEVRUN_SEED tries another.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

constexpr int kSteps = 20'000;

uint32_t seed() {
  const char* given = std::getenv("DEVRUN_SEED");
  return given == nullptr ? 7 : static_cast<uint32_t>(std::strtoul(given, nullptr, 10));
}

class Random {
 public:
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(engine_); }
  bool one_in(size_t n) { return below(n) == 0; }

 private:
  std::mt19937 engine_{seed()};
};

Event random_key(Random& random) {
  constexpr std::u32string_view kOften = U"jjjkkgGlxy/:?\r\x1b\t 1234zoRwtnN[]edcr<>qafs";
  if (random.one_in(5)) return Key{0, static_cast<Special>(random.below(15))};
  if (random.one_in(10)) return Key{static_cast<char32_t>(random.below(0x3000)), Special::kNone};
  return key(kOften[random.below(kOften.size())]);
}

JobRow random_job(Random& random) {
  const JobId id = 30 + random.below(40);
  JobRow job = sample_job(id, static_cast<JobState>(1 + random.below(11)), "run 𝛼 李 é\x01\xff");
  job.tasks = random.one_in(3) ? random.below(2000) : 0;
  job.ranks = random.one_in(3) ? 4 : 1;
  for (uint32_t rank = 0; rank < random.below(4); ++rank) {
    const int32_t task = job.tasks == 0 ? kNoTask : static_cast<int32_t>(random.below(9));
    job.attempts.push_back(sample_attempt(
        {id, task, rank, 1 + static_cast<uint32_t>(random.below(3))}, "node1", job.state));
  }
  return job;
}

std::string random_output(Random& random, size_t length) {
  constexpr std::string_view kOften = "abc \n\r\t\b\x1b[AK2J;m\x07]é進\xff";
  std::string out;
  while (out.size() < length) {
    std::string text;
    for (size_t i = 0; i < 1 + random.below(40); ++i) text += kOften[random.below(kOften.size())];
    std::string header(16, '\0');
    header[0] = static_cast<char>(1 + random.below(3));
    header[4] = static_cast<char>(text.size());
    out += header + text;
  }
  return out;
}

Event random_event(Random& random, const Model& model) {
  switch (random.below(16)) {
    case 0:
      return Resized{static_cast<int>(1 + random.below(60)),
                     static_cast<int>(1 + random.below(200))};
    case 1:
      return Mouse{static_cast<int>(random.below(60)), static_cast<int>(random.below(200)),
                   static_cast<Mouse::What>(random.below(3))};
    case 2: {
      Pushed pushed;
      pushed.whole = random.one_in(20);
      for (size_t i = 0; i < random.below(5); ++i) pushed.jobs.push_back(random_job(random));
      for (size_t i = 0; i < random.below(3); ++i) pushed.gone.push_back(30 + random.below(40));
      if (random.one_in(3)) pushed.loads = sample_loads();
      if (random.one_in(3)) pushed.nodes = sample_cluster().nodes;
      if (random.one_in(9)) pushed.gone_nodes = {"node1"};
      return pushed;
    }
    case 3:
      return JobFetched{random_job(random)};
    case 4:
      return LogBytes{model.log.of, random_output(random, 200), random.one_in(9), model.log.reading,
                      random.one_in(5)};
    case 5:
      return TextFetched{model.text.number, "some\ttext\nand more", random.one_in(2), 0};
    case 6:
      return QueueFetched{
          {{30 + random.below(40), 1, "why", {}, false, 0}, {0, 2, "", {}, false, 0}}, 9};
    case 7:
      return SeriesFetched{model.selected, sample_series()};
    case 8:
      return random.one_in(2) ? Event(Ticked{{1'200'000'000}}) : Event(ConnectionLost{"away"});
    case 9:
      return QuestionShown{};
    case 10:
      return Pasted{random_output(random, 20)};
    default:
      return random_key(random);
  }
}

TEST(Fuzz, AnythingInAnyOrderIsTakenAndDrawn) {
  Random random;
  Model model;
  update(model, sample_cluster());
  for (int step = 0; step < kSteps; ++step) {
    update(model, random_event(random, model));
    ASSERT_LE(model.prompt.text.size(), 410u);
    if (model.screen == Screen::kJobs && !model.list.lines.empty()) {
      ASSERT_TRUE(selected_line(model).has_value()) << "step " << step;
    }
    if (step % 4 != 0) continue;
    const Canvas canvas = draw(model);
    ASSERT_EQ(canvas.rows(), std::max(1, model.rows));
    // Every row has exactly its columns: a wide glyph is followed by its empty half.
    for (int row = 0; row < canvas.rows(); ++row) {
      int width = 0;
      for (int x = 0; x < canvas.columns(); ++x) width += width_of(canvas.at(row, x).glyph);
      ASSERT_EQ(width, canvas.columns()) << "step " << step << ", row " << row;
    }
  }
}

TEST(Fuzz, OutputInAnyPiecesIsTheSame) {
  Random random;
  for (int round = 0; round < 200; ++round) {
    const std::string bytes = random_output(random, 2000);
    LogText whole;
    whole.append(bytes);
    LogText pieces;
    for (size_t at = 0; at < bytes.size();) {
      const size_t length = std::min(1 + random.below(50), bytes.size() - at);
      pieces.append(std::string_view(bytes).substr(at, length));
      at += length;
    }
    ASSERT_EQ(whole.lines().size(), pieces.lines().size()) << "round " << round;
    for (size_t i = 0; i < whole.lines().size(); ++i) {
      ASSERT_EQ(whole.lines()[i].text, pieces.lines()[i].text) << "round " << round;
    }
  }
}

TEST(Fuzz, PatternsOfAnyKindAreRead) {
  Random random;
  constexpr std::string_view kOften = "ab.*+?[](){}^$|\\!:=user:label: 0,9";
  const JobRow job = sample_cluster().jobs.front();
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t i = 0; i < random.below(12); ++i) text += kOften[random.below(kOften.size())];
    static_cast<void>(matches(job, text));
  }
}

}  // namespace
}  // namespace devrun::tui
