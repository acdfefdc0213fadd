// Which jobs are shown, and in which order.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "tui/model/model.h"

namespace devrun::tui {

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return lower(text).find(part) != std::string::npos;
}

bool matches_word(const JobRow& job, std::string word) {
  if (word.starts_with("user:")) return has(job.user, word.substr(5));
  if (word.starts_with("state:")) return has(std::string(state_name(job.state)), word.substr(6));
  if (word.starts_with("volume:")) return has(job.volume, word.substr(7));
  const std::string all = fmt::format("{} {} {} {} {} {} {}", job.id, state_name(job.state),
                                      job.user, job.volume, job.name, job.command, job.reason);
  if (has(all, word)) return true;
  return std::any_of(job.attempts.begin(), job.attempts.end(),
                     [&](const AttemptRow& attempt) { return has(attempt.node, word); });
}

}  // namespace

bool matches(const JobRow& job, const std::string& filter) {
  std::istringstream words(lower(filter));
  std::string word;
  while (words >> word) {
    const bool inverse = word.size() > 1 && word[0] == '!';
    if (matches_word(job, inverse ? word.substr(1) : word) == inverse) return false;
  }
  return true;
}

std::vector<const JobRow*> visible_jobs(const Model& model) {
  std::vector<const JobRow*> out;
  for (const auto& [id, job] : model.jobs) {
    if (matches(job, model.filter)) out.push_back(&job);
  }
  std::sort(out.begin(), out.end(), [](const JobRow* a, const JobRow* b) {
    if (is_final(a->state) != is_final(b->state)) return is_final(b->state);
    return a->id > b->id;
  });
  return out;
}

}  // namespace devrun::tui
