#include "tui/model/keys.h"

#include <algorithm>
#include <array>

namespace devrun::tui {

namespace {

constexpr std::array kJobsHelp{
    KeyHelp{"j k ↓ ↑", "next, previous job"},
    KeyHelp{"g G", "first, last job"},
    KeyHelp{"PgDn PgUp", "a page down, up"},
    KeyHelp{"Enter", "the job in full"},
    KeyHelp{"l", "its output, followed"},
    KeyHelp{"x", "cancel it (asks first)"},
    KeyHelp{"/", "filter: words, !word, user: state: volume:"},
    KeyHelp{"Esc", "clear the filter"},
    KeyHelp{"? q", "this help, quit"},
};
constexpr std::array kJobHelp{
    KeyHelp{"j k ↓ ↑", "next, previous job"}, KeyHelp{"l", "its output, followed"},
    KeyHelp{"x", "cancel it (asks first)"},   KeyHelp{"Esc", "back to the list"},
    KeyHelp{"? q", "this help, quit"},
};
constexpr std::array kLogHelp{
    KeyHelp{"j k ↓ ↑", "a line down, up"},
    KeyHelp{"PgDn PgUp", "a page down, up"},
    KeyHelp{"g G", "first line, last line and follow"},
    KeyHelp{"f", "follow on, off"},
    KeyHelp{"x", "cancel the job (asks first)"},
    KeyHelp{"Esc", "back"},
    KeyHelp{"? q", "this help, quit"},
};

constexpr size_t kFilterBytesMax = 200;

// The keys that mean the same everywhere, as one letter each.
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
      return U'\x06';
    case Special::kPageUp:
      return U'\x02';
    case Special::kRight:
    case Special::kEnter:
      return U'\r';
    case Special::kLeft:
    case Special::kEscape:
      return U'\x1b';
    case Special::kBackspace:
      return U'\x7f';
    case Special::kNone:
      break;
  }
  return key.character == U'\n' ? U'\r' : key.character;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

void edit_filter(Model& model, const Key& key) {
  const char32_t c = meaning(key);
  if (key.special == Special::kUp || key.special == Special::kDown) return;
  if (c == U'\r') {
    model.editing_filter = false;
  } else if (c == U'\x1b') {
    model.filter = model.filter_before;
    model.editing_filter = false;
  } else if (c == U'\x7f' || c == U'\b') {
    while (!model.filter.empty() &&
           (static_cast<unsigned char>(model.filter.back()) & 0xc0) == 0x80) {
      model.filter.pop_back();
    }
    if (!model.filter.empty()) model.filter.pop_back();
  } else if (c == 0x15) {  // Ctrl-U
    model.filter.clear();
  } else if (key.special == Special::kNone && c >= 0x20 && model.filter.size() < kFilterBytesMax) {
    append_utf8(model.filter, c);
  }
}

void move_selection(Model& model, long by) {
  const auto jobs = visible_jobs(model);
  if (jobs.empty()) return;
  const auto at = std::find_if(jobs.begin(), jobs.end(),
                               [&](const JobRow* job) { return job->id == model.selected; });
  const long row = at == jobs.end() ? 0 : at - jobs.begin();
  const long last = static_cast<long>(jobs.size()) - 1;
  model.selected = jobs[static_cast<size_t>(std::clamp(row + by, 0L, last))]->id;
}

void scroll_log(Model& model, long by) {
  const auto lines = static_cast<long>(model.log.text.lines().size());
  const long last = std::max(0L, lines - body_rows(model));
  const long top = std::clamp(static_cast<long>(log_top(model)) + by, 0L, last);
  model.log.top = static_cast<size_t>(top);
  model.log.follow = top == last && by > 0;
}

void open_log(Model& model, std::vector<Command>& commands) {
  const auto job = model.jobs.find(model.selected);
  if (job == model.jobs.end()) return;
  if (job->second.attempts.empty()) {
    model.notice = "no output yet: the job has not started";
    return;
  }
  const Screen from = model.screen;
  model.log = LogView{};
  model.log.from = from;
  model.log.of = job->second.attempts.back().key;
  for (const AttemptRow& attempt : job->second.attempts) {  // rank 0 of the newest attempt
    if (attempt.key.rank == 0) model.log.of = attempt.key;
  }
  model.screen = Screen::kLog;
  commands.push_back(OpenLog{model.log.of});
}

void ask_to_cancel(Model& model) {
  const auto job = model.jobs.find(model.selected);
  if (job == model.jobs.end()) return;
  if (model.read_only) {
    model.notice = "this monitor is read-only";
  } else if (is_final(job->second.state)) {
    model.notice = "the job has ended";
  } else {
    model.confirming_cancel = model.selected;
  }
}

void go_back(Model& model, std::vector<Command>& commands) {
  if (model.screen == Screen::kLog) {
    commands.push_back(CloseLog{});
    model.screen = model.log.from;
  } else if (model.screen == Screen::kJob) {
    model.screen = Screen::kJobs;
  } else {
    model.filter.clear();
  }
}

void press_in_log(Model& model, char32_t c) {
  const long page = std::max(1, body_rows(model) - 1);
  if (c == U'j') scroll_log(model, 1);
  if (c == U'k') scroll_log(model, -1);
  if (c == U'\x06' || c == U' ') scroll_log(model, page);
  if (c == U'\x02') scroll_log(model, -page);
  if (c == U'g') scroll_log(model, -static_cast<long>(kLogLinesMax));
  if (c == U'G') model.log.follow = true;
  if (c == U'f') {
    model.log.top = log_top(model);
    model.log.follow = !model.log.follow;
  }
}

void press_in_list(Model& model, char32_t c, std::vector<Command>& commands) {
  const long page = std::max(1, body_rows(model) - 2);
  const long all = static_cast<long>(model.jobs.size());
  if (c == U'j') move_selection(model, 1);
  if (c == U'k') move_selection(model, -1);
  if (c == U'\x06') move_selection(model, page);
  if (c == U'\x02') move_selection(model, -page);
  if (c == U'g') move_selection(model, -all);
  if (c == U'G') move_selection(model, all);
  if (c == U'l') open_log(model, commands);
  if (c == U'\r' && model.screen == Screen::kJobs && model.selected != 0) {
    model.screen = Screen::kJob;
    commands.push_back(FetchJob{model.selected});
  }
  if (c == U'/' && model.screen == Screen::kJobs) {
    model.filter_before = model.filter;
    model.editing_filter = true;
  }
}

// Keys that answer a question or close what lies over the screen; true if the key was one.
bool press_in_overlay(Model& model, const Key& key, std::vector<Command>& commands) {
  if (model.showing_help) {
    model.showing_help = false;
    return true;
  }
  if (model.confirming_cancel) {
    const JobId job = *model.confirming_cancel;
    model.confirming_cancel.reset();
    if (key.character == U'y') commands.push_back(CancelJob{job});
    return true;
  }
  if (model.editing_filter) {
    edit_filter(model, key);
    return true;
  }
  return false;
}

}  // namespace

void press(Model& model, const Key& key, std::vector<Command>& commands) {
  model.notice.clear();
  if (key.character == 0x03) {  // Ctrl-C
    commands.push_back(Quit{});
    return;
  }
  if (press_in_overlay(model, key, commands)) return;
  const char32_t c = meaning(key);
  if (c == U'q') commands.push_back(Quit{});
  if (c == U'?') model.showing_help = true;
  if (c == U'x') ask_to_cancel(model);
  if (c == U'\x1b') {
    go_back(model, commands);
  } else if (model.screen == Screen::kLog) {
    press_in_log(model, c);
  } else {
    press_in_list(model, c, commands);
  }
}

std::span<const KeyHelp> key_help(Screen screen) {
  if (screen == Screen::kJobs) return kJobsHelp;
  if (screen == Screen::kJob) return kJobHelp;
  return kLogHelp;
}

}  // namespace devrun::tui
