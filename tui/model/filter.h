// Which jobs are shown. Words that must all hold:
//   train          part of what is shown, whatever case; with any of . * + ? [ ( ^ $ | \ an extended regular expression,
//                  whose ^ and $ are the ends of a field: ^42$ is job 42
//   !word          must not hold
//   user:U state:S volume:V node:N name:M     parts of these
//   label:K=V, label:K                        a label, by its value or at all
// A pattern that cannot be read is looked for as it stands. Tasks of arrays and ranks of gangs are rows of their own: they
// have their own state, node and ending, and what is their job's; a word with _ is looked for in their numbers, too. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tui/model/rows.h"

namespace devrun::tui {

// A word, or a pattern.
class Pattern {
 public:
  explicit Pattern(std::string_view text);
  // `text` in lower case.
  bool found_in(const std::string& text) const;
  // Where, and how long it is; length 0: nowhere. At most the first one from `from` on.
  std::pair<size_t, size_t> find(const std::string& text, size_t from) const;
  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }  // in lower case
  bool is_broken() const { return broken_; }         // a pattern that cannot be read
  bool has_ends() const { return compiled_ && text_.find_first_of("^$") != std::string::npos; }

 private:
  struct Compiled;
  std::string text_;  // in lower case
  std::shared_ptr<const Compiled> compiled_;
  bool broken_ = false;
};

class Filter {
 public:
  Filter() = default;
  explicit Filter(const std::string& text);
  bool matches(const JobRow& job) const;
  // Of an array of which not all tasks need be here: whether there may be some that match.
  bool may_match_tasks(const JobRow& job) const;
  bool empty() const { return words_.empty(); }
  bool is_broken() const;
  bool names_state() const;  // there is a `state:`

 private:
  friend class PartFilter;
  enum class Field { kAny, kUser, kState, kVolume, kNode, kName, kLabel };
  struct Word {
    Field field = Field::kAny;
    bool inverse = false;
    Pattern pattern;
    std::string key, value;  // of a label
    bool has_value = false;
  };
  static Word parse_word(std::string word);
  static bool holds(const Word& word, const JobRow& job);

  std::vector<Word> words_;
};

// The filter for the parts of one job, of which much is the same for all. Not longer than both live.
class PartFilter {
 public:
  PartFilter(const Filter& filter, const JobRow& job);
  bool matches(const AttemptRow& part) const;

 private:
  struct Word {
    const Filter::Word* word;
    bool by_job;  // what is the job's holds
  };
  std::vector<Word> words_;
};

std::string in_lower_case(std::string text);

}  // namespace devrun::tui
