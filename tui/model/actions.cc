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

std::string named(const std::vector<JobId>& jobs) {
  if (jobs.size() == 1) return fmt::format("job {}", jobs.front());
  if (jobs.size() > 4) return fmt::format("{} jobs", jobs.size());
  return fmt::format("jobs {}", fmt::join(jobs, ", "));
}

// Of a job or its selected part, as commands take it.
std::string word_for(const Model& model) {
  if (!model.part) return fmt::format("{}", model.selected);
  return to_string(model.part->task_key());
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

void open_log(Model& model, const std::optional<AttemptKey>& of, std::vector<Command>& commands) {
  const JobRow* job = job_of(model, model.selected);
  if (job == nullptr) return;
  std::optional<AttemptKey> chosen = of;
  if (!chosen) {
    for (const AttemptRow& attempt : job->attempts) {  // rank 0 of the newest attempt
      if (!chosen || attempt.key.rank == 0) chosen = attempt.key;
    }
  }
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
  if (model.screen != Screen::kLog) open_screen(model, Screen::kLog, commands);
  commands.push_back(OpenLog{*chosen});
  commands.push_back(FetchJob{model.selected});  // for its other ranks and attempts
}

void ask_to_cancel(Model& model) {
  if (refuse_read_only(model)) return;
  if (!has_marks(model) && model.part && model.part->task != kNoTask) {
    const TaskKey task = model.part->task_key();
    model.question = {
        fmt::format("Cancel task {}? y to cancel it, any other key to keep it", to_string(task)),
        {CancelJob{task}}};
    return;
  }
  std::vector<JobId> jobs = chosen_jobs(model);
  std::erase_if(jobs, [&](JobId id) {
    const auto job = model.jobs.find(id);
    return job != model.jobs.end() && is_final(job->second.state);
  });
  if (jobs.empty()) {
    if (model.selected != 0) say(model, "the job has ended");
    return;
  }
  const char* it = jobs.size() == 1 ? "it" : "them";
  Question question{
      fmt::format("Cancel {}? y to cancel {}, any other key to keep {}", named(jobs), it, it), {}};
  for (const JobId id : jobs) question.commands.push_back(CancelJob{{id, kNoTask}});
  model.question = std::move(question);
}

void ask_to_rerun(Model& model) {
  if (refuse_read_only(model)) return;
  const std::vector<JobId> jobs = chosen_jobs(model);
  if (jobs.empty()) return;
  Question question{
      fmt::format("Run {} again, in the same snapshot? y to run, any other key not to",
                  named(jobs)),
      {}};
  for (const JobId id : jobs) {
    question.commands.push_back(RunAndTell{{"rerun", "-d", fmt::format("{}", id)}});
  }
  model.question = std::move(question);
}

void show_text(Model& model, std::string title, std::vector<std::string> words,
               std::vector<Command>& commands) {
  model.text = TextView{};
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
  const std::string whole = fmt::format("{}", job->id);
  if (c == U'e') show_text(model, "explain " + whole, {"explain", whole}, commands);
  if (c == U'd') {
    if (job->volume.empty()) return say(model, "the job has no volume to compare with");
    show_text(model, fmt::format("diff of job {} and {} now", whole, job->volume),
              {"diff", whole, job->volume}, commands);
  }
  if (c == U'c') show_text(model, "changes of " + whole, {"changes", whole}, commands);
  if (c == U'y') copy(model, word, commands);
  if (c != U'a' && c != U's' && c != U'f') return;
  if (refuse_read_only(model)) return;
  if (is_final(job->state)) return say(model, "the job has ended");
  if (c == U'a') commands.push_back(RunInTerminal{{"attach", word}});
  if (c == U's') {
    if (job->state != JobState::kRunning) return say(model, "the job does not run yet");
    commands.push_back(
        RunInTerminal{{"exec", "-t", word, "/bin/sh", "-c", "exec \"${SHELL:-/bin/sh}\""}});
  }
  if (c == U'f') {
    open_prompt(model, Prompt::Kind::kCommand);
    model.prompt.text = fmt::format("port-forward {} ", word);
  }
}

}  // namespace devrun::tui
