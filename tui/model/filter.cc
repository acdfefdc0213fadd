#include "tui/model/filter.h"

#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace devrun::tui {

namespace {
constexpr std::string_view kPatternCharacters = ".*+?[](){}^$|\\";
}

std::string in_lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

struct Pattern::Compiled {
  regex_t regex{};
  bool good = false;
  explicit Compiled(const std::string& text) {
    good = ::regcomp(&regex, text.c_str(), REG_EXTENDED | REG_ICASE) == 0;
  }
  ~Compiled() {
    if (good) ::regfree(&regex);
  }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
};

Pattern::Pattern(std::string_view text) : text_(in_lower_case(std::string(text))) {
  if (text_.find_first_of(kPatternCharacters) == std::string::npos) return;
  auto compiled = std::make_shared<const Compiled>(std::string(text));
  broken_ = !compiled->good;
  if (!broken_) compiled_ = std::move(compiled);
}

bool Pattern::found_in(const std::string& text) const {
  if (!compiled_) return text.find(text_) != std::string::npos;
  return ::regexec(&compiled_->regex, text.c_str(), 0, nullptr, 0) == 0;
}

std::pair<size_t, size_t> Pattern::find(const std::string& text, size_t from) const {
  if (text_.empty() || from > text.size()) return {0, 0};
  if (!compiled_) {
    const size_t at = in_lower_case(text).find(text_, from);
    return at == std::string::npos ? std::pair<size_t, size_t>{0, 0}
                                   : std::pair<size_t, size_t>{at, text_.size()};
  }
  regmatch_t match{};
  if (::regexec(&compiled_->regex, text.c_str() + from, 1, &match, from == 0 ? 0 : REG_NOTBOL) != 0)
    return {0, 0};
  return {from + static_cast<size_t>(match.rm_so),
          static_cast<size_t>(match.rm_eo) - static_cast<size_t>(match.rm_so)};
}

Filter::Word Filter::parse_word(std::string word) {
  const bool inverse = word.size() > 1 && word[0] == '!';
  if (inverse) word.erase(0, 1);
  constexpr std::pair<std::string_view, Field> kFields[] = {
      {"user:", Field::kUser}, {"state:", Field::kState}, {"volume:", Field::kVolume},
      {"node:", Field::kNode}, {"name:", Field::kName},   {"label:", Field::kLabel}};
  for (const auto& [prefix, field] : kFields) {
    if (!in_lower_case(word.substr(0, prefix.size())).starts_with(prefix)) continue;
    const std::string rest = word.substr(prefix.size());
    const size_t equals = rest.find('=');
    const bool has_value = equals != std::string::npos;
    return {field,
            inverse,
            Pattern(rest),
            rest.substr(0, equals),
            has_value ? rest.substr(equals + 1) : "",
            has_value};
  }
  return {Field::kAny, inverse, Pattern(word), {}, {}, false};
}

Filter::Filter(const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) words_.push_back(parse_word(std::move(word)));
}

namespace {

// Each by itself, so that a pattern's ^ and $ mean something.
bool any_field_holds(const Pattern& pattern, const JobRow& job) {
  const std::string_view state = state_name(job.state);
  for (const std::string& field : {fmt::format("{}", job.id), std::string(state)}) {
    if (pattern.found_in(field)) return true;
  }
  for (const std::string* field : {&job.user, &job.volume, &job.name, &job.command, &job.reason}) {
    if (pattern.found_in(*field)) return true;
  }
  const auto of_attempt = [&](const AttemptRow& one) { return pattern.found_in(one.node); };
  const auto of_label = [&](const auto& one) {
    return pattern.found_in(one.first + "=" + one.second);
  };
  return std::ranges::any_of(job.attempts, of_attempt) || std::ranges::any_of(job.labels, of_label);
}

}  // namespace

bool Filter::holds(const Word& word, const JobRow& job) {
  switch (word.field) {
    case Field::kUser:
      return word.pattern.found_in(in_lower_case(job.user));
    case Field::kState:
      return word.pattern.found_in(in_lower_case(std::string(state_name(job.state))));
    case Field::kVolume:
      return word.pattern.found_in(in_lower_case(job.volume));
    case Field::kName:
      return word.pattern.found_in(in_lower_case(job.name));
    case Field::kNode:
      return std::ranges::any_of(job.attempts, [&](const AttemptRow& attempt) {
        return word.pattern.found_in(in_lower_case(attempt.node));
      });
    case Field::kLabel: {
      const auto label = job.labels.find(word.key);
      return label != job.labels.end() && (!word.has_value || label->second == word.value);
    }
    case Field::kAny:
      break;
  }
  return word.pattern.has_ends() ? any_field_holds(word.pattern, job)
                                 : word.pattern.found_in(job.search);
}

bool Filter::matches(const JobRow& job) const {
  return std::ranges::all_of(words_,
                             [&](const Word& word) { return holds(word, job) != word.inverse; });
}

bool Filter::names_state() const {
  return std::ranges::any_of(words_, [](const Word& word) {
    return word.field == Field::kState && !word.inverse && !word.pattern.empty();
  });
}

namespace {

// What a part has from its job.
bool inherited(const Pattern& pattern, const JobRow& job) {
  for (const std::string* field : {&job.user, &job.volume, &job.name, &job.command}) {
    if (pattern.found_in(in_lower_case(*field))) return true;
  }
  return std::ranges::any_of(job.labels, [&](const auto& one) {
    return pattern.found_in(in_lower_case(one.first + "=" + one.second));
  });
}

std::string lower_state(JobState state) {
  return in_lower_case(std::string(state_name(state)));
}

// States of which an array has tasks, as far as its counts tell.
bool counts_tell(const Pattern& pattern, const TaskCounts& tasks) {
  const auto any = [&](std::initializer_list<JobState> states) {
    return std::ranges::any_of(
        states, [&](JobState state) { return pattern.found_in(lower_state(state)); });
  };
  using enum JobState;
  return (tasks.failed != 0 && any({kFailed, kCancelled, kTimedOut, kNodeLost})) ||
         (tasks.succeeded != 0 && any({kSucceeded})) ||
         (tasks.running != 0 && any({kSettingUp, kStarting, kRunning, kUnreachable, kCompleting}));
}

}  // namespace

bool Filter::may_match_tasks(const JobRow& job) const {
  bool by_task = false;
  for (const Word& word : words_) {
    const Pattern& pattern = word.pattern;
    const bool told = counts_tell(pattern, job.progress);
    if (word.inverse) {
      const bool of_job = word.field != Field::kState && word.field != Field::kNode;
      if (of_job && holds(word, job)) return false;
    } else if (word.field == Field::kState) {
      if (!told) return false;
      by_task = by_task || !pattern.empty();
    } else if (word.field == Field::kNode) {
      if (job.progress.running + job.progress.ended() == 0) return false;
      by_task = by_task || !pattern.empty();
    } else if (word.field != Field::kAny || inherited(pattern, job)) {
      if (word.field != Field::kAny && !holds(word, job)) return false;
    } else {
      const bool numbered =
          word.pattern.text().find(fmt::format("{}_", job.id)) != std::string::npos;
      if (!told && !numbered) return false;
      by_task = true;
    }
  }
  return by_task;
}

PartFilter::PartFilter(const Filter& filter, const JobRow& job) {
  using Field = Filter::Field;
  for (const Filter::Word& word : filter.words_) {
    const bool by_job = word.field == Field::kAny ? inherited(word.pattern, job)
                        : word.field == Field::kState || word.field == Field::kNode
                            ? false
                            : Filter::holds(word, job);
    words_.push_back({&word, by_job});
  }
}

bool PartFilter::matches(const AttemptRow& part) const {
  using Field = Filter::Field;
  const auto holds = [&](const Word& one) {
    if (one.by_job) return true;
    const Pattern& pattern = one.word->pattern;
    const bool any = one.word->field == Field::kAny;
    if ((any || one.word->field == Field::kState) && pattern.found_in(lower_state(part.state)))
      return true;
    if ((any || one.word->field == Field::kNode) && pattern.found_in(in_lower_case(part.node)))
      return true;
    if (!any) return false;
    // A number alone is a job's, else each array with so many tasks would have one that fits.
    const bool numbered = pattern.text().find('_') != std::string::npos;
    return pattern.found_in(in_lower_case(part.ending)) ||
           (numbered && pattern.found_in(to_string(part.key.task_key())));
  };
  return std::ranges::all_of(words_,
                             [&](const Word& one) { return holds(one) != one.word->inverse; });
}

bool Filter::is_broken() const {
  return std::ranges::any_of(words_, [](const Word& word) { return word.pattern.is_broken(); });
}

std::string search_text(const JobRow& job) {
  std::string out = fmt::format("{} {} {} {} {} {} {}", job.id, state_name(job.state), job.user,
                                job.volume, job.name, job.command, job.reason);
  for (const AttemptRow& attempt : job.attempts) out += " " + attempt.node;
  for (const auto& [key, value] : job.labels) out += fmt::format(" {}={}", key, value);
  return in_lower_case(std::move(out));
}

}  // namespace devrun::tui
