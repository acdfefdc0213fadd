// Which key goes where: what lies over the screen first, then the keys of all screens, then the screen's own.
#include "tui/model/keys.h"

#include <algorithm>

#include "tui/model/columns.h"

namespace devrun::tui {

char32_t meaning(const Key& key) {
  switch (key.special) {
    case Special::kDown:
      return U'j';
    case Special::kUp:
      return U'k';
    case Special::kHome:
      return U'g';
    case Special::kEnd:
      return U'G';
    case Special::kPageDown:
      return kPageDownKey;
    case Special::kPageUp:
      return kPageUpKey;
    case Special::kRight:
      return U'→';
    case Special::kLeft:
      return U'←';
    case Special::kEnter:
      return kEnterKey;
    case Special::kEscape:
      return kEscapeKey;
    case Special::kBackspace:
      return kEraseKey;
    case Special::kTab:
      return kTabKey;
    case Special::kBackTab:
      return kBackTabKey;
    case Special::kNone:
      break;
  }
  return key.character == U'\n' ? kEnterKey : key.character;
}

void say(Model& model, std::string words, bool bad) {
  model.notice = std::move(words);
  model.notice_is_bad = bad;
  model.being_cancelled.clear();
}

bool move_cursor(Cursor& cursor, char32_t c, size_t count, size_t room) {
  const size_t page = std::max<size_t>(1, room - std::min<size_t>(room, 1));
  const size_t last = count == 0 ? 0 : count - 1;
  if (c == U'j') {
    cursor.row = std::min(cursor.row + 1, last);
  } else if (c == U'k') {
    cursor.row -= std::min<size_t>(cursor.row, 1);
  } else if (c == kPageDownKey) {
    cursor.row = std::min(cursor.row + page, last);
  } else if (c == kPageUpKey) {
    cursor.row -= std::min(cursor.row, page);
  } else if (c == U'g') {
    cursor.row = 0;
  } else if (c == U'G') {
    cursor.row = last;
  } else {
    return false;
  }
  keep_in_sight(cursor, count, room);
  return true;
}

void open_screen(Model& model, Screen screen, std::vector<Command>& commands) {
  if (model.screen == screen) return;
  const bool is_root = screen == Screen::kJobs || screen == Screen::kNodes ||
                       screen == Screen::kQueue || screen == Screen::kVolumes;
  if (model.screen == Screen::kLog && screen != Screen::kText) commands.push_back(CloseLog{});
  if (is_root) {
    model.back.clear();
    if (screen != Screen::kJobs) give_back_filter(model);
  } else {
    model.back.push_back(model.screen);
  }
  model.screen = screen;
  if (screen == Screen::kNodes) commands.push_back(FetchNodeSeries{model.node_days});
  if (screen == Screen::kQueue) commands.push_back(FetchQueue{});
  if (screen == Screen::kVolumes) commands.push_back(FetchVolumes{});
  if (screen == Screen::kJob) {
    model.job_top = 0;
    commands.push_back(FetchJob{model.selected});
    commands.push_back(FetchSeries{model.selected});
  }
}

bool give_back_filter(Model& model) {
  if (!model.filter_before_node) return false;
  model.filter = std::move(*model.filter_before_node);
  model.filter_before_node.reset();
  return true;
}

void scroll_job(Model& model, long by) {
  const auto room = static_cast<size_t>(body_rows(model));
  const auto last = static_cast<long>(model.job_rows - std::min(model.job_rows, room));
  model.job_top = static_cast<size_t>(std::clamp(static_cast<long>(model.job_top) + by, 0L, last));
}

void go_back(Model& model, std::vector<Command>& commands) {
  if (model.screen == Screen::kLog) commands.push_back(CloseLog{});
  if (!model.back.empty()) {
    model.screen = model.back.back();
    model.back.pop_back();
  } else if (model.screen == Screen::kJobs) {
    if (!model.marked.empty()) {
      model.marked.clear();
    } else if (give_back_filter(model)) {
      open_screen(model, Screen::kNodes, commands);
    } else {
      model.filter.clear();
    }
  } else {
    model.screen = Screen::kJobs;
  }
}

namespace {

void move_selection(Model& model, char32_t c) {
  Cursor cursor{selected_line(model).value_or(0), model.jobs_top};
  if (!move_cursor(cursor, c, model.list.lines.size(), list_rows(model))) return;
  model.jobs_top = cursor.top;
  select_line(model, cursor.row);
}

// Of the columns that are seen, since an order by another one looks like none.
void sort_next(Model& model, bool forwards) {
  std::vector<SortBy> seen{SortBy::kAge};
  for (const Column& column : job_columns(model)) {
    if (column.by != SortBy::kAge) seen.push_back(column.by);
  }
  const auto found = std::ranges::find(seen, model.list.sort);
  const size_t at = found == seen.end() ? 0 : static_cast<size_t>(found - seen.begin());
  model.list.sort = seen[(at + (forwards ? 1 : seen.size() - 1)) % seen.size()];
  model.list.reversed = false;
  model.list.stale = true;
  say(model, "sorted by " + std::string(sort_name(model.list.sort)));
}

void fold(Model& model, std::vector<Command>& commands) {
  if (!can_unfold(model, model.selected)) return say(model, "nothing to fold: one task, one rank");
  if (model.list.opened.contains(model.selected)) {
    return say(model, "the filter shows those that match: without it all of them fold out");
  }
  model.list.stale = true;
  model.part.reset();
  if (model.unfolded.erase(model.selected) != 0) return;
  model.unfolded.insert(model.selected);
  commands.push_back(FetchJob{model.selected});
}

void mark(Model& model) {
  if (model.selected == 0) return;
  if (model.marked.erase(model.selected) == 0) model.marked.insert(model.selected);
  move_selection(model, U'j');
}

bool press_in_jobs(Model& model, char32_t c, std::vector<Command>& commands) {
  if (c == U' ') {
    mark(model);
  } else if (c == U'→' || c == U'←' || c == U'z') {
    const bool unfolded = model.unfolded.count(model.selected) != 0;
    if (c == U'z' || unfolded == (c == U'←')) fold(model, commands);
  } else if (c == U'o' || c == U'O') {
    sort_next(model, c == U'o');
  } else if (c == U'R') {
    model.list.reversed = !model.list.reversed;
    model.list.stale = true;
  } else if (c == kEnterKey) {
    if (model.selected != 0) open_screen(model, Screen::kJob, commands);
  } else if (c == U'/') {
    open_prompt(model, Prompt::Kind::kFilter);
  } else {
    move_selection(model, c);
    return false;
  }
  return true;
}

bool press_in_job(Model& model, char32_t c) {
  if (c == U'j' || c == U'k') {
    move_selection(model, c);
  } else if (c == kPageDownKey || c == kPageUpKey) {
    const long page = std::max(1, body_rows(model) - 1);
    scroll_job(model, c == kPageDownKey ? page : -page);
  } else if (c == U'g' || c == U'G') {
    const auto all = static_cast<long>(model.job_rows);
    scroll_job(model, c == U'G' ? all : -all);
  } else {
    return false;
  }
  return true;
}

// Keys that answer a question or close what lies over the screen; true if the key was one.
bool press_in_overlay(Model& model, const Key& key, std::vector<Command>& commands) {
  if (model.showing_help) {
    const char32_t c = meaning(key);
    const bool scrolls = help_on_screen(model).size() > help_rows(model);
    if (scrolls && (c == U'j' || c == kPageDownKey)) {
      ++model.help_top;
    } else if (scrolls && (c == U'k' || c == kPageUpKey)) {
      model.help_top -= std::min<size_t>(model.help_top, 1);
    } else {
      model.showing_help = false;
    }
    return true;
  }
  if (model.question) {
    if (!model.question->shown) return true;
    const Question question = std::move(*model.question);
    model.question.reset();
    if (key.character == U'y') {
      commands.insert(commands.end(), question.commands.begin(), question.commands.end());
      if (question.of_marked) model.marked.clear();
    }
    return true;
  }
  if (model.prompt.kind != Prompt::Kind::kNone) {
    edit_prompt(model, key, commands);
    return true;
  }
  return false;
}

constexpr Screen kRoots[] = {Screen::kJobs, Screen::kNodes, Screen::kQueue, Screen::kVolumes};

void press_anywhere(Model& model, char32_t c, std::vector<Command>& commands) {
  const auto root = std::ranges::find(kRoots, model.screen);
  const size_t at = root == std::end(kRoots) ? 0 : static_cast<size_t>(root - kRoots);
  if (c == U'q') commands.push_back(Quit{});
  if (c == U'?') {
    model.showing_help = true;
    model.help_top = 0;
  }
  if (c == U':') open_prompt(model, Prompt::Kind::kCommand);
  if (c == U'1') give_back_filter(model);
  if (c >= U'1' && c <= U'4') open_screen(model, kRoots[c - U'1'], commands);
  if (c == kTabKey) open_screen(model, kRoots[(at + 1) % 4], commands);
  if (c == kBackTabKey) open_screen(model, kRoots[(at + 3) % 4], commands);
  if (c == kEscapeKey) go_back(model, commands);
  const bool about_job = model.screen == Screen::kJobs || model.screen == Screen::kJob ||
                         model.screen == Screen::kLog || model.screen == Screen::kQueue;
  if (!about_job) return;
  if (c == U'x') ask_to_cancel(model);
  if (c == U'r') ask_to_rerun(model);
  if (c == U'l' && model.screen != Screen::kLog) open_log(model, chosen_part(model), commands);
  act_on_job(model, c, commands);
}

}  // namespace

void press(Model& model, const Key& key, std::vector<Command>& commands) {
  if (key.character == 0 && key.special == Special::kNone) return;
  if (key.character == kRedrawKey) return commands.push_back(Redraw{});
  if (key.character == kSuspendKey) return commands.push_back(Suspend{});
  say(model, "");
  if (key.character == kInterruptKey) return commands.push_back(Quit{});
  if (press_in_overlay(model, key, commands)) return;
  const char32_t c = meaning(key);
  bool taken = false;
  switch (model.screen) {
    case Screen::kJobs:
      taken = press_in_jobs(model, c, commands);
      break;
    case Screen::kJob:
      taken = press_in_job(model, c);
      break;
    case Screen::kLog:
      taken = press_in_log(model, c, commands);
      break;
    case Screen::kNodes:
      taken = press_in_nodes(model, c, commands);
      break;
    case Screen::kQueue:
      taken = press_in_queue(model, c, commands);
      break;
    case Screen::kVolumes:
      taken = press_in_volumes(model, c, commands);
      break;
    case Screen::kSnapshots:
      taken = press_in_snapshots(model, c, commands);
      break;
    case Screen::kText:
      taken = press_in_text(model, c, commands);
      break;
  }
  if (!taken) press_anywhere(model, c, commands);
}

void paste(Model& model, const std::string& text) {
  if (model.prompt.kind != Prompt::Kind::kNone) return type_in(model, text);
  if (!model.question && !model.showing_help) say(model, "pasted text goes into : and / alone");
}

namespace {

Cursor* cursor_of(Model& model) {
  switch (model.screen) {
    case Screen::kNodes:
      return &model.node_cursor;
    case Screen::kQueue:
      return &model.queue_cursor;
    case Screen::kVolumes:
      return &model.volume_cursor;
    case Screen::kSnapshots:
      return &model.snapshot_cursor;
    default:
      return nullptr;
  }
}

void click_head(Model& model, int column) {
  for (const Column& one : job_columns(model)) {
    if (column < one.at || (one.width != 0 && column >= one.at + one.width)) continue;
    model.list.reversed = model.list.sort == one.by && !model.list.reversed;
    model.list.sort = one.by;
    model.list.stale = true;
  }
}

}  // namespace

void click(Model& model, const Mouse& mouse, std::vector<Command>& commands) {
  if (model.prompt.kind != Prompt::Kind::kNone || model.question || model.showing_help) return;
  if (mouse.what != Mouse::What::kPress) {
    const bool down = mouse.what == Mouse::What::kWheelDown;
    for (int i = 0; i < 3; ++i) press(model, {down ? U'j' : U'k', Special::kNone}, commands);
    return;
  }
  if (mouse.row == 1 && model.screen == Screen::kJobs) return click_head(model, mouse.column);
  if (mouse.row < 2 || mouse.row > model.rows - 2) return;
  const auto line = static_cast<size_t>(mouse.row - 2);
  const Key enter{0, Special::kEnter};
  if (model.screen == Screen::kJobs) {
    if (model.jobs_top + line >= model.list.lines.size()) return;
    const ListLine before{model.selected, model.part};
    select_line(model, model.jobs_top + line);
    if (ListLine{model.selected, model.part} == before) press(model, enter, commands);
  } else if (Cursor* cursor = cursor_of(model)) {
    const size_t row = cursor->top + line;
    if (cursor->row == row) return press(model, enter, commands);
    cursor->row = row;
  }
}

}  // namespace devrun::tui
