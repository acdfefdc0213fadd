// Of a long output a page is here, and others are read as somebody scrolls or searches up to them.
#include <algorithm>

#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

void read(Model& model, const LogPage& page, std::vector<Command>& commands) {
  LogView& log = model.log;
  const LogMark& from = log.marks[page.mark];
  log.text = LogText(from);
  log.reading = model.readings++;
  log.is_page = page.upto != 0;
  log.all_here = log.ended = false;
  log.top = 0;
  log.follow = false;
  commands.push_back(CloseLog{});
  commands.push_back(OpenLog{log.of, log.reading, from.offset, page.upto});
}

// As much as was asked for, or of the output's end as much as was known of it.
bool is_complete(const LogView& log) {
  return log.all_here || log.ended || (!log.is_page && log.text.bytes_taken() >= log.known_bytes);
}

void show_wanted(Model& model) {
  LogView& log = model.log;
  const size_t dropped = dropped_count(log);
  const size_t count = shown_count(log);
  const size_t line = *log.wanted - std::min(*log.wanted, dropped);
  log.top = std::min(line, count - std::min<size_t>(count, 1));
  if (line + static_cast<size_t>(body_rows(model)) <= count || is_complete(log)) log.wanted.reset();
}

void go_on_seeking(Model& model, std::vector<Command>& commands) {
  LogView& log = model.log;
  const bool forwards = log.seeking == Seeking::kForwards;
  // The page may have some of what was looked through before.
  const size_t line = *log.wanted - std::min(*log.wanted, dropped_count(log));
  log.wanted.reset();
  log.top = std::min(forwards ? line : line + 1, shown_count(log));
  if (search_on(log, forwards, static_cast<size_t>(body_rows(model)),
                static_cast<size_t>(model.columns))) {
    log.seeking = Seeking::kNone;
    return;
  }
  if (seek_further(model, forwards, commands)) return;
  log.seeking = Seeking::kNone;
  say(model, forwards ? "no further match" : "no earlier match");
  read_page(model, log.sought_from, PageSide::kMiddle, commands);
}

}  // namespace

void read_page(Model& model, size_t line, PageSide side, std::vector<Command>& commands) {
  read(model, page_of(model.log.marks, model.log.shown, line, side), commands);
  model.log.wanted = line;
}

void read_end(Model& model, std::vector<Command>& commands) {
  read(model, last_page(model.log.marks), commands);
  model.log.wanted.reset();
  model.log.follow = true;
}

void begin_search(Model& model, std::vector<Command>& commands) {
  LogView& log = model.log;
  const auto rows = static_cast<size_t>(body_rows(model));
  const auto columns = static_cast<size_t>(model.columns);
  for (const bool forwards : {false, true}) {
    if (search_on(log, forwards, rows, columns)) return;
  }
  if (!seek_further(model, false, commands) && !seek_further(model, true, commands))
    say(model, "no match");
}

bool seek_further(Model& model, bool forwards, std::vector<Command>& commands) {
  LogView& log = model.log;
  const size_t dropped = dropped_count(log);
  if (forwards ? !log.is_page : dropped == 0) return false;
  if (log.seeking == Seeking::kNone) {
    log.sought_from = dropped + first_on_screen(log, static_cast<size_t>(body_rows(model)),
                                                static_cast<size_t>(model.columns));
  }
  const size_t end = dropped + shown_count(log);
  log.seeking = forwards ? Seeking::kForwards : Seeking::kBackwards;
  read_page(model, forwards ? end - std::min<size_t>(end, 1) : dropped - 1,
            forwards ? PageSide::kBegin : PageSide::kEnd, commands);
  return true;
}

void log_has_grown(Model& model, std::vector<Command>& commands) {
  LogView& log = model.log;
  if (log.all_here) log.text.forget_open_line();
  if (log.seeking != Seeking::kNone) {
    if (is_complete(log)) go_on_seeking(model, commands);
  } else if (log.wanted) {
    show_wanted(model);
  }
}

}  // namespace devrun::tui
