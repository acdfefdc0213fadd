// Typing at the bottom: the filter, what is searched for, and `:` commands with completion.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "common/base/text_width.h"
#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

constexpr size_t kPromptBytesMax = 400;
constexpr char32_t kEarlierKey = 0x10, kLaterKey = 0x0e;  // Ctrl-P, Ctrl-N, as ↑ and ↓

// What the monitor does itself; anything else is a devrun command.
constexpr std::array<std::string_view, 12> kOwn{"filter", "jobs",  "nodes",   "queue",
                                                "quit",   "sort",  "volumes", "logs",
                                                "cancel", "rerun", "unfold",  "snapshots"};
// Devrun commands that only read, with their output as a text.
constexpr std::array<std::string_view, 9> kReading{"changes", "diff", "explain", "ps",      "show",
                                                   "usage",   "help", "volume",  "snapshot"};
// Those that want the terminal, or change something.
constexpr std::array<std::string_view, 4> kInTerminal{"attach", "exec", "port-forward", "shell"};

bool is_text(char32_t c) {
  return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c <= 0x10ffff;
}

void erase_character(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty()) text.pop_back();
}

void erase_word(std::string& text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  while (!text.empty() && text.back() != ' ') text.pop_back();
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream words(text);
  for (std::string word; words >> word;) out.push_back(std::move(word));
  return out;
}

template <size_t N>
bool is_in(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// What is typed counts at once.
void show_as_typed(Model& model) {
  const Prompt& prompt = model.prompt;
  if (prompt.kind == Prompt::Kind::kFilter) model.filter = prompt.text;
  if (prompt.kind != Prompt::Kind::kSearch) return;
  (model.screen == Screen::kText ? model.text.search : model.log.search) = prompt.text;
}

void complete(Model& model) {
  Prompt& prompt = model.prompt;
  if (prompt.kind != Prompt::Kind::kCommand) return;
  const std::vector<std::string> all = completions(model, prompt.text);
  if (all.empty()) return;
  std::string common = all.front();
  for (const std::string& one : all) {
    const auto [end, other] = std::ranges::mismatch(common, one);
    common.erase(end, common.end());
  }
  const size_t begin = prompt.text.rfind(' ') + 1;  // npos + 1 is 0
  prompt.text = prompt.text.substr(0, begin) + common;
  if (all.size() == 1) prompt.text += ' ';
}

// Towards what was typed earlier, or back to what stands there now.
void recall(Model& model, bool earlier) {
  Prompt& prompt = model.prompt;
  const History& typed = model.typed[static_cast<size_t>(prompt.kind)];
  if (earlier ? prompt.back == typed.size() : prompt.back == 0) return;
  if (prompt.back == 0) prompt.typed = prompt.text;
  prompt.back += earlier ? 1 : -1;
  prompt.text = prompt.back == 0 ? prompt.typed : typed.line(prompt.back);
}

void finish(Model& model, std::vector<Command>& commands) {
  const Prompt done = std::move(model.prompt);
  model.prompt = {};
  model.typed[static_cast<size_t>(done.kind)].add(done.text);
  // Whoever has changed it has a filter of their own again.
  if (done.kind == Prompt::Kind::kFilter && done.text != done.before)
    model.filter_before_node.reset();
  if (done.kind == Prompt::Kind::kCommand) run_command(model, done.text, commands);
  if (done.kind != Prompt::Kind::kSearch || done.text.empty()) return;
  if (model.screen == Screen::kLog) begin_search(model, commands);
  if (model.screen == Screen::kText) press_in_text(model, U'n', commands);
}

}  // namespace

void open_prompt(Model& model, Prompt::Kind kind) {
  model.prompt = {};
  model.prompt.kind = kind;
  if (kind == Prompt::Kind::kFilter) model.prompt.text = model.prompt.before = model.filter;
  if (kind == Prompt::Kind::kSearch) {
    model.prompt.before = model.screen == Screen::kText ? model.text.search : model.log.search;
  }
}

void edit_prompt(Model& model, const Key& key, std::vector<Command>& commands) {
  Prompt& prompt = model.prompt;
  const char32_t c = meaning(key);
  if (c == kEnterKey) return finish(model, commands);
  if (c == kEscapeKey) {
    prompt.text = prompt.before;
    show_as_typed(model);
    prompt = {};
    return;
  }
  const bool up = key.special == Special::kUp || c == kEarlierKey;
  if (up || key.special == Special::kDown || c == kLaterKey) {
    recall(model, up);
    return show_as_typed(model);
  }
  prompt.back = 0;
  if (c == kEraseKey || c == U'\b') {
    if (prompt.text.empty() && prompt.kind == Prompt::Kind::kCommand) {
      prompt = {};
      return;
    }
    erase_character(prompt.text);
  } else if (c == 0x15) {  // Ctrl-U
    prompt.text.clear();
  } else if (c == 0x17) {  // Ctrl-W
    erase_word(prompt.text);
  } else if (c == kTabKey) {
    complete(model);
  } else if (key.special == Special::kNone && is_text(c) && prompt.text.size() < kPromptBytesMax) {
    append_code_point(prompt.text, c);
  }
  show_as_typed(model);
}

// Ends of lines are blanks: what is pasted is never as good as Enter.
void type_in(Model& model, std::string_view text) {
  Prompt& prompt = model.prompt;
  while (!text.empty() && prompt.text.size() < kPromptBytesMax) {
    const char32_t c = take_code_point(text);
    append_code_point(prompt.text, is_text(c) ? c : U' ');
  }
  while (prompt.text.ends_with(' ')) prompt.text.pop_back();
  show_as_typed(model);
}

std::vector<std::string> completions(const Model& model, const std::string& text) {
  const size_t space = text.find(' ');
  const size_t begin = text.rfind(' ') + 1;
  const std::string part = text.substr(begin);
  const std::string first = text.substr(0, space);
  std::vector<std::string> all;
  if (space == std::string::npos) {
    for (const std::string_view name : kOwn) all.emplace_back(name);
    for (const std::string_view name : kReading) all.emplace_back(name);
    for (const std::string_view name : kInTerminal) all.emplace_back(name);
    std::ranges::sort(all);
  } else if (first == "sort") {
    for (size_t i = 0; i <= static_cast<size_t>(kLastSort); ++i) {
      all.emplace_back(sort_name(static_cast<SortBy>(i)));
    }
  } else if (first == "filter") {
    for (const char* field : {"user:", "state:", "volume:", "node:", "name:", "label:"}) {
      all.emplace_back(field);
    }
  } else if (first == "snapshots" || first == "shell") {
    for (const VolumeRow& volume : model.volumes) all.push_back(volume.name);
  } else {  // the newest first
    for (auto job = model.jobs.rbegin(); job != model.jobs.rend(); ++job)
      all.push_back(fmt::format("{}", job->first));
  }
  std::vector<std::string> out;
  for (const std::string& one : all) {
    if (one.starts_with(part)) out.push_back(one);
  }
  return out;
}

namespace {

// What a command names: jobs, tasks, ranks. Nothing if one of them is none of ours, which is said.
std::optional<std::vector<AttemptKey>> named_parts(Model& model,
                                                   const std::vector<std::string>& words) {
  std::vector<AttemptKey> out;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto key = parse_attempt_key(words[i]);
    const auto job = model.jobs.find(key ? key->job : 0);
    if (job == model.jobs.end()) {
      say(model, fmt::format("there is no job '{}' here", words[i]), true);
      return std::nullopt;
    }
    if (key->task != kNoTask && job->second.tasks == 0) {
      say(model, fmt::format("job {} is no array: it has no task {}", key->job, key->task), true);
      return std::nullopt;
    }
    if (std::ranges::find(out, *key) == out.end()) out.push_back(*key);
  }
  return out;
}

// Of several ranks or attempts none is cancelled or run again alone.
std::optional<std::vector<TaskKey>> named_tasks(Model& model,
                                                const std::vector<std::string>& words) {
  const auto parts = named_parts(model, words);
  if (!parts) return std::nullopt;
  std::vector<TaskKey> out;
  for (size_t i = 0; i < parts->size(); ++i) {
    if (words[i + 1].find_first_of(".#") != std::string::npos) {
      say(model,
          fmt::format(":{} is about jobs and tasks, not about ranks or attempts: :{} {}", words[0],
                      words[0], to_string((*parts)[i].task_key())),
          true);
      return std::nullopt;
    }
    out.push_back((*parts)[i].task_key());
  }
  return out;
}

void open_named_log(Model& model, const std::vector<std::string>& words,
                    std::vector<Command>& commands) {
  const auto parts = named_parts(model, words);
  if (!parts) return;
  if (parts->empty()) return open_log(model, chosen_part(model), commands);
  const AttemptKey& part = parts->front();
  const bool of_whole = words[1].find_first_of("_.#") == std::string::npos;
  model.selected = part.job;
  model.part.reset();
  open_log(model, of_whole ? std::nullopt : std::optional(newest_of(model, part)), commands);
}

void unfold_named(Model& model, const std::vector<std::string>& words,
                  std::vector<Command>& commands) {
  const auto parts = named_parts(model, words);
  if (!parts) return;
  if (!parts->empty()) {
    model.selected = parts->front().job;
    model.part.reset();
  }
  if (model.selected == 0 || !model.unfolded.insert(model.selected).second) return;
  model.list.stale = true;
  commands.push_back(FetchJob{model.selected});
}

void run_own(Model& model, const std::vector<std::string>& words, const std::string& rest,
             std::vector<Command>& commands) {
  const std::string& name = words.front();
  if (name == "quit") commands.push_back(Quit{});
  if (name == "jobs") open_screen(model, Screen::kJobs, commands);
  if (name == "nodes") open_screen(model, Screen::kNodes, commands);
  if (name == "queue") open_screen(model, Screen::kQueue, commands);
  if (name == "volumes") open_screen(model, Screen::kVolumes, commands);
  if (name == "filter") {
    model.filter_before_node.reset();
    model.filter = rest;
    open_screen(model, Screen::kJobs, commands);
  }
  if (name == "sort") {
    const auto by = sort_by_name(words.size() > 1 ? words[1] : "");
    if (!by) return say(model, "sort by what? Tab shows the names", true);
    model.list.sort = *by;
    model.list.reversed = false;
    model.list.stale = true;
    open_screen(model, Screen::kJobs, commands);  // what it has done is seen
  }
  if (name == "snapshots" && words.size() > 1) {
    model.snapshots_of = words[1];
    model.snapshots.clear();
    model.snapshots_failure.clear();
    model.snapshot_cursor = {};
    open_screen(model, Screen::kSnapshots, commands);
    commands.push_back(FetchSnapshots{words[1]});
  }
  if (name == "logs") open_named_log(model, words, commands);
  if (name == "unfold") unfold_named(model, words, commands);
  if (name != "cancel" && name != "rerun") return;
  std::vector<std::string> keys = words;
  const bool only_failed = name == "rerun" && std::erase(keys, "--failed") != 0;
  const auto named = named_tasks(model, keys);
  if (!named) return;
  if (name == "cancel") ask_to_cancel(model, *named);
  if (name == "rerun") ask_to_rerun(model, *named, only_failed);
}

// Of commands that both read and change, what reads.
bool only_reads(const std::vector<std::string>& words) {
  if (!is_in(kReading, words.front())) return false;
  if (words.front() != "volume" && words.front() != "snapshot") return true;
  return words.size() > 1 && (words[1] == "ls" || words[1] == "du" || words[1] == "diff");
}

}  // namespace

void run_command(Model& model, const std::string& text, std::vector<Command>& commands) {
  const std::vector<std::string> words = words_of(text);
  if (words.empty()) return;
  const std::string& name = words.front();
  if (name == "q") return commands.push_back(Quit{});
  if (is_in(kOwn, name)) {
    const size_t after = text.find(name) + name.size();
    const size_t rest = std::min(text.find_first_not_of(' ', after), text.size());
    return run_own(model, words, text.substr(rest), commands);
  }
  if (only_reads(words)) return show_text(model, text, words, commands);
  if (!is_in(kInTerminal, name)) {
    return say(model,
               fmt::format("':{}' is nothing that the monitor does; Tab shows what is", name),
               true);
  }
  if (model.read_only) return say(model, "this monitor is read-only", true);
  commands.push_back(RunInTerminal{words});
}

}  // namespace devrun::tui
