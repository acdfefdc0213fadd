#include "cli/launch/script.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace devrun::launch {

namespace {

// One argument or variable has at most 128 KiB, its name and NUL included.
constexpr size_t kPieceBytes = 120'000;

// Names with __devrun_ are unset before the user's text begins. It starts no program where none is needed: each costs
// milliseconds in a container that is new.
constexpr std::string_view kPrologue = R"bash(set +m +H
exec 2>&9 9>&- 8<&-
trap 'exit 143' TERM; trap 'exit 130' INT; trap 'exit 129' HUP; trap : USR1 USR2
declare -A __devrun_env
for __devrun_name in $DEVRUN_TASK_ENV; do __devrun_env[$__devrun_name]=${!__devrun_name}; done
__devrun_workdir=$DEVRUN_TASK_WORKDIR
[ -r ~/.bashrc ] && . ~/.bashrc
set +m +H
unset HISTFILE
if ! declare -F conda >/dev/null; then
  hash conda 2>/dev/null
  __devrun_conda=${CONDA_EXE:-${BASH_CMDS[conda]}}
  for __devrun_name in ${__devrun_conda:+"${__devrun_conda%/*/*}"} ~/miniconda3 ~/miniforge3 ~/anaconda3 /opt/conda; do
    if [ -r "$__devrun_name/etc/profile.d/conda.sh" ]; then
      . "$__devrun_name/etc/profile.d/conda.sh"
      break
    fi
  done
fi
for __devrun_name in "${!__devrun_env[@]}"; do export "$__devrun_name=${__devrun_env[$__devrun_name]}"; done
export PYTHONUNBUFFERED=1
__devrun_folder=~/sky_workdir
if [ -z "$__devrun_workdir" ]; then
  [ -d ~/sky_workdir ] || mkdir -p ~/sky_workdir
elif [ "$__devrun_workdir" -ef ~/sky_workdir ]; then
  :
elif [ -L ~/sky_workdir ] || [ ! -e ~/sky_workdir ] || rmdir ~/sky_workdir 2>/dev/null; then
  ln -sfn -- "$__devrun_workdir" ~/sky_workdir || __devrun_folder=$__devrun_workdir
else
  echo "devrun: ~/sky_workdir is a folder of its own, so the work is in $__devrun_workdir. Try: rename ~/sky_workdir" >&2
  __devrun_folder=$__devrun_workdir
fi
cd -- "$__devrun_folder" || exit 125
unset __devrun_env __devrun_name __devrun_conda __devrun_workdir __devrun_folder "${!DEVRUN_TASK_@}"
)bash";

// The pieces of a text as variables PREFIX_0, PREFIX_1, …; cut between characters, although bash does
// not mind.
std::vector<Value> pieces(const std::string& prefix, std::string_view text) {
  std::vector<Value> out;
  while (!text.empty()) {
    size_t end = std::min(text.size(), kPieceBytes);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    out.push_back({fmt::format("{}_{}", prefix, out.size()), std::string(text.substr(0, end))});
    text.remove_prefix(end);
  }
  return out;
}

// `places`: the first one of the attempt fetches and fills before its text.
std::vector<std::string> program(std::string_view name, const std::vector<Value>& text,
                                 bool places) {
  std::string joined;
  for (const Value& piece : text) joined += "$" + piece.name;
  // The prologue is one eval on a line of its own: an error in the user's first line must find stderr.
  constexpr std::string_view kStart =
      R"(exec /bin/bash --norc +H -i /dev/fd/8 8<<<'eval "$DEVRUN_TASK_PROLOGUE{}"'$'\n'"{}" 9>&2 2>/dev/null </dev/null)";
  return {"/bin/bash",
          "--noprofile",
          "--norc",
          "-c",
          fmt::format(kStart, places ? "$DEVRUN_TASK_PLACES" : "", joined),
          std::string(name)};
}

size_t bytes_of(const std::vector<Value>& values) {
  size_t bytes = 0;
  for (const Value& value : values) bytes += value.name.size() + value.value.size() + 2;
  return bytes;
}

}  // namespace

std::string_view script_prologue() {
  return kPrologue;
}

Result<Scripts> build_scripts(const TaskPlan& task, const std::string& workdir,
                              const std::vector<PlaceStep>& places, bool with_setup) {
  Scripts out;
  std::vector<std::string_view> names;
  for (const auto* values : {&task.envs, &task.secrets}) {
    for (const Value& value : *values) {
      if (value.value.find('\0') != std::string::npos) {
        return Error{Code::kInvalid, fmt::format("the value of {} holds a NUL", value.name), {}};
      }
      out.env.push_back(value);
      names.push_back(value.name);
    }
  }
  for (const SweepVariable& variable : task.sweep) names.push_back(variable.name);
  out.env.push_back({"DEVRUN_TASK_ENV", fmt::format("{}", fmt::join(names, " "))});
  out.env.push_back({"DEVRUN_TASK_WORKDIR", workdir});
  out.env.push_back({"DEVRUN_TASK_PROLOGUE", std::string(kPrologue)});
  const std::string places_text = places_script(places);
  if (places_text.size() > kPieceBytes) {
    return Error{Code::kExhausted, "file_mounts fetch and fill too much for one task",
                 "fewer entries, or a script in setup"};
  }
  if (!places_text.empty()) out.env.push_back({"DEVRUN_TASK_PLACES", places_text});
  bool first = !places_text.empty();
  const auto add = [&](std::string_view name, const std::string& prefix, std::string_view text) {
    if (text.empty()) return std::vector<std::string>{};
    const std::vector<Value> parts = pieces(prefix, text);
    out.env.insert(out.env.end(), parts.begin(), parts.end());
    return program(name, parts, std::exchange(first, false));
  };
  if (with_setup) out.setup = add("setup", "DEVRUN_TASK_SETUP", task.setup);
  out.run = add("run", "DEVRUN_TASK_RUN", task.run);
  if (bytes_of(out.env) > kScriptsBytesMax) {
    return Error{Code::kExhausted,
                 fmt::format("setup, run, envs and secrets have {} bytes together; at most {} fit",
                             bytes_of(out.env), kScriptsBytesMax),
                 "move long scripts into files of the workdir"};
  }
  return out;
}

}  // namespace devrun::launch
