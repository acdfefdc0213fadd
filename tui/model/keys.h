// What each key does, and the help that lists them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tui/model/model.h"

namespace devrun::tui {

void press(Model& model, const Key& key, std::vector<Command>& commands);
// Into the line of typing, if one is open; anywhere else it does nothing.
void paste(Model& model, const std::string& text);
void click(Model& model, const Mouse& mouse, std::vector<Command>& commands);

struct KeyHelp {
  std::string_view keys;
  std::string_view does;
};
// Of the screen, and then those of every screen.
std::vector<KeyHelp> key_help(Screen screen);
inline constexpr int kHelpColumn = 22;  // where it says what they do
// The same in rows that are no longer than the screen is wide.
std::vector<KeyHelp> help_on_screen(const Model& model);
// How many of them are on the screen at once.
size_t help_rows(const Model& model);

// ── for this folder ──
// The keys that mean the same everywhere, as one character each.
inline constexpr char32_t kPageDownKey = U'\x06', kPageUpKey = U'\x02', kEnterKey = U'\r',
                          kEscapeKey = U'\x1b', kEraseKey = U'\x7f', kTabKey = U'\t',
                          kBackTabKey = U'\x19', kInterruptKey = U'\x03', kRedrawKey = U'\x0c',
                          kSuspendKey = U'\x1a';
char32_t meaning(const Key& key);

void say(Model& model, std::string words, bool bad = false);
void open_screen(Model& model, Screen screen, std::vector<Command>& commands);
// The filter that was there before the jobs of a node were looked at, if they are. True if so.
bool give_back_filter(Model& model);
// The job screen by so many rows, as far as it has any.
void scroll_job(Model& model, long by);
void go_back(Model& model, std::vector<Command>& commands);
// Moves a cursor as j k g G PgUp PgDn say; false if the key is none of these.
bool move_cursor(Cursor& cursor, char32_t c, size_t count, size_t room);

// What is done to jobs (actions.cc). Those that are marked, else the selected one.
std::vector<JobId> chosen_jobs(const Model& model);
// Of the marked jobs, how many the filter hides.
size_t hidden_marks(const Model& model);
// The task or rank that keys are about: the selected row's, or the one whose output is shown.
std::optional<AttemptKey> chosen_part(const Model& model);
// The newest attempt that is known of a task's rank; the first if none is.
AttemptKey newest_of(const Model& model, AttemptKey part);
// How a job or a task has ended for good, as far as is known here; nothing: it may live, or be tried again.
std::optional<JobState> ended_as(const Model& model, const TaskKey& key);
// None named: the one that tells most.
void open_log(Model& model, const std::optional<AttemptKey>& of, std::vector<Command>& commands);
// About jobs and tasks that are named; none: those that are chosen.
void ask_to_cancel(Model& model, std::vector<TaskKey> named = {});
// With `only_failed`, of arrays the tasks that have failed.
void ask_to_rerun(Model& model, std::vector<TaskKey> named = {}, bool only_failed = false);
// a s f d e: with the job that is selected.
void act_on_job(Model& model, char32_t c, std::vector<Command>& commands);
void show_text(Model& model, std::string title, std::vector<std::string> words,
               std::vector<Command>& commands);
void copy(Model& model, const std::string& text, std::vector<Command>& commands);

// Screens that are lists of other things (keys_lists.cc); true if the key was one of theirs.
bool press_in_nodes(Model& model, char32_t c, std::vector<Command>& commands);
bool press_in_queue(Model& model, char32_t c, std::vector<Command>& commands);
bool press_in_volumes(Model& model, char32_t c, std::vector<Command>& commands);
bool press_in_snapshots(Model& model, char32_t c, std::vector<Command>& commands);
bool press_in_text(Model& model, char32_t c, std::vector<Command>& commands);
bool press_in_log(Model& model, char32_t c, std::vector<Command>& commands);

// Pages of a long output (keys_pages.cc). The page that has that line of the output, of those that are shown, is read, and
// the line becomes the first on the screen.
void read_page(Model& model, size_t line, PageSide side, std::vector<Command>& commands);
// The output's end is read, and followed.
void read_end(Model& model, std::vector<Command>& commands);
// To the nearest match before what is seen, else to one after it.
void begin_search(Model& model, std::vector<Command>& commands);
// Looks for what is searched for beyond what is here, if there is anything; false if not.
bool seek_further(Model& model, bool forwards, std::vector<Command>& commands);
// More of it has come: perhaps that which was wanted or looked for.
void log_has_grown(Model& model, std::vector<Command>& commands);

// Typing (prompt.cc).
void open_prompt(Model& model, Prompt::Kind kind);
void edit_prompt(Model& model, const Key& key, std::vector<Command>& commands);
void type_in(Model& model, std::string_view text);
// What Tab would make of a `:` command; empty: nothing.
std::vector<std::string> completions(const Model& model, const std::string& text);
void run_command(Model& model, const std::string& text, std::vector<Command>& commands);

}  // namespace devrun::tui
