// Keys of the output and of texts: scrolling, searching, following; other ranks, streams, wrapping.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text_width.h"
#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

constexpr size_t kColumnsAside = 8;

// What is not here is read: beyond its first line, and beyond the last one of a page.
void scroll_log(Model& model, long by, std::vector<Command>& commands) {
  LogView& log = model.log;
  const auto rows = static_cast<size_t>(body_rows(model));
  const auto columns = static_cast<size_t>(model.columns);
  const auto dropped = static_cast<long>(dropped_count(log));
  if (log.wanted) {  // it is on its way
    const long line = std::max(0L, static_cast<long>(*log.wanted) + by);
    log.wanted = static_cast<size_t>(line);
    if (line < dropped) read_page(model, *log.wanted, PageSide::kMiddle, commands);
    return;
  }
  const auto top = static_cast<long>(first_on_screen(log, rows, columns));
  log.follow = true;
  const auto last = static_cast<long>(first_on_screen(log, rows, columns));
  const long line = top + by;
  log.top = static_cast<size_t>(std::clamp(line, 0L, last));
  log.follow = line >= last && by > 0 && !log.is_page;
  if ((line < 0 && dropped > 0) || (line > last && log.is_page)) {
    read_page(model, static_cast<size_t>(std::max(0L, dropped + line)), PageSide::kMiddle,
              commands);
  }
}

void follow(Model& model, std::vector<Command>& commands) {
  if (model.log.is_page) return read_end(model, commands);
  model.log.wanted.reset();
  model.log.follow = true;
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

void next_match(Model& model, bool forwards, std::vector<Command>& commands) {
  if (model.log.search.empty()) return say(model, "nothing to search for yet: / begins");
  const bool found = search_on(model.log, forwards, static_cast<size_t>(body_rows(model)),
                               static_cast<size_t>(model.columns));
  if (found || seek_further(model, forwards, commands)) return;
  say(model, fmt::format("no {} match", forwards ? "further" : "earlier"));
}

void switch_stream(Model& model, std::vector<Command>& commands) {
  LogShown& shown = model.log.shown;
  shown = shown == LogShown::kAll   ? LogShown::kOut
          : shown == LogShown::kOut ? LogShown::kErr
                                    : LogShown::kAll;
  follow(model, commands);
}

// About as many as the screen has it: a tab counts as eight columns.
size_t rows_of_text(const TextView& text, size_t line, size_t columns) {
  const std::string& words = text.lines[line];
  if (!text.wrap || words.size() <= columns / 8) return 1;
  if (const auto tabs = static_cast<size_t>(std::ranges::count(words, '\t')); tabs != 0) {
    const size_t wide = static_cast<size_t>(width_of(words)) + 7 * tabs;
    return std::max<size_t>(1, (wide + columns - 1) / columns);
  }
  size_t rows = 0;
  for (std::string_view rest = words.ends_with('\n')
                                   ? std::string_view(words).substr(0, words.size() - 1)
                                   : std::string_view(words);
       rows == 0 || !rest.empty(); ++rows)
    take_words(rest, columns);
  return rows;
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
  const bool sought = std::exchange(log.seeking, Seeking::kNone) != Seeking::kNone;
  if (sought && c == kEscapeKey) {
    read_page(model, log.sought_from, PageSide::kMiddle, commands);
  } else if (c == U'j') {
    scroll_log(model, 1, commands);
  } else if (c == U'k') {
    scroll_log(model, -1, commands);
  } else if (c == kPageDownKey || c == U' ') {
    scroll_log(model, page, commands);
  } else if (c == kPageUpKey) {
    scroll_log(model, -page, commands);
  } else if (c == U'g') {
    scroll_log(model, -static_cast<long>(known_count(log)), commands);
  } else if (c == U'G') {
    follow(model, commands);
  } else if (c == U'f') {
    if (log.follow) {
      scroll_log(model, 0, commands);
      log.follow = false;
    } else {
      follow(model, commands);
    }
  } else if (c == U'w') {
    log.wrap = !log.wrap;
    log.left = 0;
  } else if (c == U't') {
    switch_stream(model, commands);
  } else if (c == U'→') {
    if (!log.wrap) log.left += kColumnsAside;
  } else if (c == U'←') {
    log.left -= std::min(log.left, kColumnsAside);
  } else if (c == U'[' || c == U']') {
    open_neighbour(model, c == U']', commands);
  } else if (c == U'/') {
    open_prompt(model, Prompt::Kind::kSearch);
  } else if (c == U'n' || c == U'N') {
    next_match(model, c == U'n', commands);
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
