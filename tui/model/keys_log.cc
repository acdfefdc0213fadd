// Keys of the output and of texts: scrolling, searching, following; other ranks, streams, wrapping.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text_width.h"
#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

constexpr size_t kColumnsAside = 8;

void scroll_log(Model& model, long by) {
  LogView& log = model.log;
  const auto rows = static_cast<size_t>(body_rows(model));
  const auto columns = static_cast<size_t>(model.columns);
  const auto top = static_cast<long>(first_on_screen(log, rows, columns));
  log.follow = true;
  const auto last = static_cast<long>(first_on_screen(log, rows, columns));
  const long wanted = std::clamp(top + by, 0L, last);
  log.top = static_cast<size_t>(wanted);
  log.follow = wanted == last && by > 0;
}

// The rank, task or attempt before or after this one, of those that are known.
void open_neighbour(Model& model, bool next, std::vector<Command>& commands) {
  const JobRow* job = job_of(model, model.log.of.job);
  if (job == nullptr) return;
  std::vector<AttemptKey> keys;
  for (const AttemptRow& attempt : job->attempts) keys.push_back(attempt.key);
  std::sort(keys.begin(), keys.end());
  const auto at = std::find(keys.begin(), keys.end(), model.log.of);
  if (keys.size() < 2) return say(model, "the job has one rank, task and attempt");
  const size_t now = at == keys.end() ? 0 : static_cast<size_t>(at - keys.begin());
  const size_t to = (now + (next ? 1 : keys.size() - 1)) % keys.size();
  commands.push_back(CloseLog{});
  open_log(model, keys[to], commands);
  say(model, fmt::format("{} of {}: {}", to + 1, keys.size(), to_string(keys[to])));
}

// Of a long output only the end is kept here, and searched.
void say_what_is_not_here(Model& model) {
  say(model, fmt::format("the first {} lines are neither here nor searched: devrun logs {}",
                         dropped_count(model.log), to_string(model.log.of.task_key())));
}

void next_match(Model& model, bool forwards) {
  if (model.log.search.empty()) return say(model, "nothing to search for yet: / begins");
  const bool found = search_on(model.log, forwards, static_cast<size_t>(body_rows(model)),
                               static_cast<size_t>(model.columns));
  if (found) return;
  if (!forwards && dropped_count(model.log) != 0) return say_what_is_not_here(model);
  say(model, fmt::format("no {} match", forwards ? "further" : "earlier"));
}

void switch_stream(LogView& log) {
  log.shown = log.shown == LogShown::kAll   ? LogShown::kOut
              : log.shown == LogShown::kOut ? LogShown::kErr
                                            : LogShown::kAll;
  log.follow = true;
}

// About as many as the screen has it: a tab counts as eight columns.
size_t rows_of_text(const TextView& text, size_t line, size_t columns) {
  const std::string& words = text.lines[line];
  if (!text.wrap || words.size() <= columns / 8) return 1;
  const auto tabs = static_cast<size_t>(std::ranges::count(words, '\t'));
  const size_t wide = static_cast<size_t>(width_of(words)) + 7 * tabs;
  return std::max<size_t>(1, (wide + columns - 1) / columns);
}

// Lines that fit into so many rows: from one on, or before one.
size_t lines_from(const TextView& text, size_t line, size_t rows, size_t columns) {
  size_t count = 0;
  for (size_t used = 0; line + count < text.lines.size(); ++count) {
    used += rows_of_text(text, line + count, columns);
    if (used > rows) break;
  }
  return std::max<size_t>(count, 1);
}
size_t lines_before(const TextView& text, size_t line, size_t rows, size_t columns) {
  size_t count = 0;
  for (size_t used = 0; count < line; ++count) {
    used += rows_of_text(text, line - count - 1, columns);
    if (used > rows && count != 0) break;
  }
  return count;
}

}  // namespace

bool press_in_log(Model& model, char32_t c, std::vector<Command>& commands) {
  LogView& log = model.log;
  const long page = std::max(1, body_rows(model) - 1);
  if (c == U'j') {
    scroll_log(model, 1);
  } else if (c == U'k') {
    scroll_log(model, -1);
  } else if (c == kPageDownKey || c == U' ') {
    scroll_log(model, page);
  } else if (c == kPageUpKey) {
    scroll_log(model, -page);
  } else if (c == U'g') {
    scroll_log(model, -static_cast<long>(kLogLinesMax + kLogLinesReadMax));
    if (dropped_count(log) != 0) say_what_is_not_here(model);
  } else if (c == U'G') {
    log.follow = true;
  } else if (c == U'f') {
    scroll_log(model, 0);
    log.follow = !log.follow;
  } else if (c == U'w') {
    log.wrap = !log.wrap;
    log.left = 0;
  } else if (c == U't') {
    switch_stream(log);
  } else if (c == U'→') {
    if (!log.wrap) log.left += kColumnsAside;
  } else if (c == U'←') {
    log.left -= std::min(log.left, kColumnsAside);
  } else if (c == U'[' || c == U']') {
    open_neighbour(model, c == U']', commands);
  } else if (c == U'/') {
    open_prompt(model, Prompt::Kind::kSearch);
  } else if (c == U'n' || c == U'N') {
    next_match(model, c == U'n');
  } else {
    return false;
  }
  return true;
}

bool press_in_text(Model& model, char32_t c, std::vector<Command>&) {
  TextView& text = model.text;
  const auto room = static_cast<size_t>(body_rows(model));
  const size_t count = text.lines.size();
  const auto columns = static_cast<size_t>(std::max(1, model.columns - 1));
  const size_t last = count - lines_before(text, count, room, columns);
  size_t& top = text.cursor.top;
  if (c == U'j') {
    top = std::min(top + 1, last);
  } else if (c == U'k') {
    top -= std::min<size_t>(top, 1);
  } else if (c == kPageDownKey || c == U' ') {
    top = std::min(std::max(top + 1, top + lines_from(text, top, room, columns) - 1), last);
  } else if (c == kPageUpKey) {
    top -= std::min(top, std::max<size_t>(1, lines_before(text, top, room - 1, columns)));
  } else if (c == U'g') {
    top = 0;
  } else if (c == U'G') {
    top = last;
  } else if (c == U'w') {
    text.wrap = !text.wrap;
    text.left = 0;
  } else if (c == U'→') {
    if (!text.wrap) text.left += kColumnsAside;
  } else if (c == U'←') {
    text.left -= std::min(text.left, kColumnsAside);
  } else if (c == U'/') {
    open_prompt(model, Prompt::Kind::kSearch);
  } else if (c == U'n' || c == U'N') {
    const Pattern pattern(text.search);
    for (size_t i = 1; i < count && !pattern.empty(); ++i) {
      const size_t at = (top + (c == U'n' ? i : count - i)) % count;
      if (pattern.find(text.lines[at], 0).second == 0) continue;
      top = at;
      break;
    }
  } else {
    return false;
  }
  return true;
}

}  // namespace devrun::tui
