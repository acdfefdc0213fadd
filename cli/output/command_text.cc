// Commands and times as people read them.
#include <algorithm>
#include <array>
#include <ctime>

#include "cli/output/job_text.h"

namespace devrun::cli {

std::string format_time(Time time) {
  const std::time_t seconds = static_cast<std::time_t>(time.us / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &parts);
  return {text.data(), n};
}

std::string command_line(const std::vector<std::string>& argv) {
  constexpr std::string_view kPlain = "-_./:=,@%+";
  std::string out;
  for (const std::string& word : argv) {
    const bool plain = !word.empty() && std::ranges::all_of(word, [&](char c) {
      const bool letter =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      return letter || kPlain.find(c) != std::string_view::npos;
    });
    if (!out.empty()) out += ' ';
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

std::string shown_command(const JobRecord& job) {
  if (job.spec.dev_container) return "(dev container)";
  // The program of a task file is a shell that evaluates this variable (cli/launch/script.cc).
  const bool task_file = std::ranges::any_of(job.spec.program.argv, [](const std::string& word) {
    return word.find("$DEVRUN_TASK_PROLOGUE") != std::string::npos;
  });
  return task_file ? "launch " + job.spec.name : command_line(job.spec.program.argv);
}

}  // namespace devrun::cli
