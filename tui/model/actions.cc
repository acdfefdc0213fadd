// What is done to jobs, nodes' programs aside: logs, cancelling, running again, and other devrun commands with a job.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

bool refuse_read_only(Model& model) {
  if (model.read_only) say(model, "this monitor is read-only", true);
  return model.read_only;
}

std::string named(const std::vector<TaskKey>& keys) {
  if (keys.size() == 1) {
    return fmt::format("{} {}", keys[0].task == kNoTask ? "job" : "task", to_string(keys[0]));
  }
  if (keys.size() > 4) return fmt::format("{} jobs", keys.size());
  std::vector<std::string> names;
  for (const TaskKey& key : keys) names.push_back(to_string(key));
  return fmt::format("jobs {}", fmt::join(names, ", "));
}

// The chosen job or task, as commands take it.
std::string word_for(const Model& model) {
  const auto part = chosen_part(model);
  return to_string(part ? part->task_key() : TaskKey{model.selected, kNoTask});
}

// The option that names the chosen rank, if the job has several.
std::vector<std::string> rank_option(const Model& model, const JobRow& job) {
  const auto part = chosen_part(model);
  if (!part || job.ranks < 2) return {};
  return {"--rank", fmt::format("{}", part->rank)};
}

std::vector<std::string> joined(std::vector<std::string> words,
                                const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// Elsewhere than in the list they are not seen, and keys are about the job that is.
bool has_marks(const Model& model) {
  return model.screen == Screen::kJobs && !model.marked.empty();
}

}  // namespace

std::vector<JobId> chosen_jobs(const Model& model) {
  if (has_marks(model)) {
    std::vector<JobId> out;
    for (const JobId id : model.marked) {
      if (model.jobs.contains(id)) out.push_back(id);
    }
    return out;
  }
  if (model.selected == 0) return {};
  return {model.selected};
}

std::optional<AttemptKey> chosen_part(const Model& model) {
  if (model.screen != Screen::kLog) return model.part;
  const AttemptKey& of = model.log.of;
  const JobRow* job = job_of(model, model.selected);
  const bool has_parts = job != nullptr && (of.task != kNoTask || job->ranks > 1);
  if (!has_parts || of.job != model.selected) return std::nullopt;
  return of;
}

AttemptKey newest_of(const Model& model, AttemptKey part) {
  for (const JobRow* from : {details_of(model, part.job), job_of(model, part.job)}) {
    if (from == nullptr) continue;
    for (const AttemptRow& attempt : from->attempts) {
      const AttemptKey& key = attempt.key;
      const bool same = key.task == part.task && key.rank == part.rank;
      if (same) part.attempt = std::max(part.attempt, key.attempt);
    }
  }
  return part;
}

// A task that may be tried again has not ended: of an attempt that was lost or taken back nobody knows that here.
std::optional<JobState> ended_as(const Model& model, const TaskKey& key) {
  const auto row = model.jobs.find(key.job);
  if (row == model.jobs.end()) return std::nullopt;
  const bool all_ended = is_final(row->second.state);
  std::optional<JobState> out;
  if (key.task == kNoTask) return all_ended ? row->second.state : out;
  const JobRow* job = job_of(model, key.job);
  for (const AttemptRow& attempt : job->attempts) {
    const AttemptKey& of = attempt.key;
    if (of.task_key() != key || newest_of(model, of).attempt != of.attempt) continue;
    const bool tried_out =
        attempt.state == JobState::kSucceeded ||
        ((attempt.state == JobState::kFailed || attempt.state == JobState::kTimedOut) &&
         of.attempt > job->retries);
    if (!tried_out && !all_ended) return std::nullopt;
    const bool tells = is_final(attempt.state) && (!out || attempt.state != JobState::kSucceeded);
    if (tells) out = attempt.state;
  }
  return out || !all_ended ? out : row->second.state;
}

size_t hidden_marks(const Model& model) {
  std::set<JobId> hidden = model.marked;
  for (const ListLine& line : model.list.lines) hidden.erase(line.job);
  return hidden.size();
}

namespace {

// Of a job that has several outputs: of an array the first failed task's, else one that is written now; of a gang rank
// 0's. The newest attempt.
std::optional<AttemptKey> most_telling(const Model& model, const JobRow& job) {
  std::optional<AttemptKey> out;
  for (const AttemptRow& attempt : job.attempts) {
    const bool better = !out || (is_final(attempt.state) ? attempt.key.rank == 0 && job.tasks == 0
                                                         : attempt.key.rank == 0);
    if (better) out = attempt.key;
  }
  if (job.progress.first_failed.empty()) return out;
  return newest_of(model, {job.id, job.progress.first_failed.front(), 0, 1});
}

void say_which(Model& model, const JobRow& job, const AttemptKey& key) {
  if (key.task != kNoTask) {
    const auto& failed = job.progress.first_failed;
    const bool is_failed = !failed.empty() && failed.front() == key.task;
    say(model, fmt::format("task {}{}; ] and [: other tasks", to_string(key.task_key()),
                           is_failed ? ", the first that failed" : ""));
  } else if (job.ranks > 1) {
    say(model, fmt::format("rank {} of {}; ] and [: other ranks", key.rank, job.ranks));
  }
}

}  // namespace

void open_log(Model& model, const std::optional<AttemptKey>& of, std::vector<Command>& commands) {
  const JobRow* job = job_of(model, model.selected);
  if (job == nullptr) return;
  std::optional<AttemptKey> chosen = of;
  if (!chosen) chosen = most_telling(model, *job);
  if (!chosen) {
    return say(model, is_final(job->state) ? "there is no output: the job did not start"
                                           : "no output yet: the job has not started");
  }
  const LogView before = std::move(model.log);
  model.log = LogView{};
  model.log.of = *chosen;
  model.log.wrap = before.wrap;
  model.log.shown = before.shown;
  model.log.search = before.search;
  model.log.reading = model.readings++;
  if (model.screen != Screen::kLog) open_screen(model, Screen::kLog, commands);
  if (!of) say_which(model, *job, *chosen);
  commands.push_back(OpenLog{*chosen, model.log.reading});
  commands.push_back(FetchJob{model.selected});  // for its other ranks and attempts
}

namespace {

// Marks stay where the filter hides them.
std::string hidden_text(const Model& model, bool of_marked) {
  const size_t hidden = of_marked ? hidden_marks(model) : 0;
  return hidden == 0 ? "" : fmt::format(", {} of them hidden by the filter", hidden);
}

// Of several, what they are called; as many as may be read.
std::string what_they_run(const Model& model, const std::vector<TaskKey>& keys) {
  constexpr size_t kNamedMax = 12;
  if (keys.size() < 2) return "";
  std::vector<std::string> names;
  for (const TaskKey& key : keys) {
    const auto job = model.jobs.find(key.job);
    if (job == model.jobs.end() || names.size() == kNamedMax) continue;
    const std::string& name = job->second.name.empty() ? job->second.command : job->second.name;
    names.push_back(fmt::format("{} {}", to_string(key), name));
  }
  return fmt::format(": {}{}", fmt::join(names, ", "), keys.size() > kNamedMax ? ", …" : "");
}

// What is chosen, as jobs and tasks: a rank is not cancelled or run again without the others.
std::vector<TaskKey> chosen_tasks(const Model& model) {
  const auto part = chosen_part(model);
  if (!has_marks(model) && part && part->task != kNoTask) return {part->task_key()};
  std::vector<TaskKey> out;
  for (const JobId id : chosen_jobs(model)) out.push_back({id, kNoTask});
  return out;
}

}  // namespace

void ask_to_cancel(Model& model, std::vector<TaskKey> named_ones) {
  if (refuse_read_only(model)) return;
  const bool of_marked = named_ones.empty() && has_marks(model);
  std::vector<TaskKey> keys = named_ones.empty() ? chosen_tasks(model) : std::move(named_ones);
  const std::vector<TaskKey> all = keys;
  std::erase_if(keys, [&](const TaskKey& key) { return ended_as(model, key).has_value(); });
  if (keys.empty()) {
    if (all.size() > 1) say(model, fmt::format("all {} jobs have already ended", all.size()));
    if (all.size() == 1) {
      say(model, fmt::format("job {} has already ended: {}", to_string(all[0]),
                             state_name(*ended_as(model, all[0]))));
    }
    return;
  }
  const char* it = keys.size() == 1 ? "it" : "them";
  Question question{
      fmt::format("Cancel {}{}? y to cancel {}, any other key to keep {}{}", named(keys),
                  hidden_text(model, of_marked), it, it, what_they_run(model, keys)),
      {},
      of_marked};
  for (const TaskKey& key : keys) question.commands.push_back(CancelJob{key});
  model.question = std::move(question);
}

void ask_to_rerun(Model& model, std::vector<TaskKey> named_ones, bool only_failed) {
  if (refuse_read_only(model)) return;
  const bool of_marked = named_ones.empty() && has_marks(model);
  const std::vector<TaskKey> keys =
      named_ones.empty() ? chosen_tasks(model) : std::move(named_ones);
  if (keys.empty()) return;
  Question question{
      fmt::format("Run {}{}{} again, in the same snapshot? y to run, any other key not to{}",
                  only_failed ? "the failed tasks of " : "", named(keys),
                  hidden_text(model, of_marked), what_they_run(model, keys)),
      {},
      of_marked};
  for (const TaskKey& key : keys) {
    std::vector<std::string> words{"rerun", "-d"};
    if (only_failed) words.emplace_back("--failed");
    words.push_back(to_string(key));
    question.commands.push_back(RunAndTell{std::move(words)});
  }
  model.question = std::move(question);
}

void show_text(Model& model, std::string title, std::vector<std::string> words,
               std::vector<Command>& commands) {
  const bool wrap = model.text.wrap;
  model.text = TextView{};
  model.text.wrap = wrap;
  model.text.number = ++model.texts_asked;
  model.text.title = std::move(title);
  open_screen(model, Screen::kText, commands);
  commands.push_back(RunForText{model.text.number, std::move(words)});
}

void copy(Model& model, const std::string& text, std::vector<Command>& commands) {
  commands.push_back(CopyText{text});
  say(model, fmt::format("{} is in the clipboard, if this terminal has one", text));
}

void act_on_job(Model& model, char32_t c, std::vector<Command>& commands) {
  const JobRow* job = job_of(model, model.selected);
  if (job == nullptr) return;
  const std::string word = word_for(model);
  const std::vector<std::string> rank = rank_option(model, *job);
  if (c == U'e') show_text(model, "explain " + word, {"explain", word}, commands);
  if (c == U'd') {
    if (job->volume.empty()) return say(model, "the job has no volume to compare with");
    const bool of_task = word.find('_') != std::string::npos;
    show_text(model,
              fmt::format("diff of {} {} and {} now", of_task ? "task" : "job", word, job->volume),
              {"diff", word, job->volume}, commands);
  }
  if (c == U'c') show_text(model, "changes of " + word, {"changes", word}, commands);
  if (c == U'y') copy(model, rank.empty() ? word : word + "." + rank.back(), commands);
  if (c != U'a' && c != U's' && c != U'f') return;
  if (refuse_read_only(model)) return;
  if (is_final(job->state)) return say(model, "the job has ended");
  if (c == U'a') {
    // Who looks on from here means to come back: without a terminal of the job's own, in which the detach keys leave, a
    // Ctrl-C would be the job's end.
    std::vector<std::string> attach{"attach"};
    if (!job->tty) attach.emplace_back("--no-stdin");
    commands.push_back(RunInTerminal{joined(joined(attach, rank), {word})});
  }
  if (c == U's') {
    if (job->state != JobState::kRunning) return say(model, "the job does not run yet");
    commands.push_back(RunInTerminal{joined(
        joined({"exec", "-t"}, rank), {word, "/bin/sh", "-c", "exec \"${SHELL:-/bin/sh}\""})});
  }
  if (c == U'f') {
    open_prompt(model, Prompt::Kind::kCommand);
    model.prompt.text =
        fmt::format("{} ", fmt::join(joined(joined({"port-forward"}, rank), {word}), " "));
  }
}

}  // namespace devrun::tui
