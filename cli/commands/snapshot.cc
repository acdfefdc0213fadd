// `devrun snapshot`: the snapshots of a volume, kept, listed, compared and brought back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "cli/client/terminal.h"
#include "cli/commands/connect.h"
#include "cli/commands/progress_words.h"
#include "cli/commands/verbs.h"
#include "cli/output/console.h"
#include "cli/output/snapshot_output.h"
#include "cli/output/unified_diff.h"
#include "common/base/suggest.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.letter = 'm',
     .name = "message",
     .value = "TEXT",
     .meaning = "create: what it is for",
     .example = "-m upgrade"},
    {.name = "stat", .meaning = "diff: only how much differs"},
    {.letter = 'p',
     .name = "patch",
     .value = "PATH",
     .meaning = "diff: how this text file differs",
     .example = "-p /etc/fstab"},
    {.name = "json", .meaning = "create, ls, diff, restore: JSON; diff prints one record a line"},
    {.letter = 'q', .name = "quiet", .meaning = "restore: no progress"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun snapshot create -m 'before the upgrade' ada",
     "a snapshot that stays until it is removed"},
    {"devrun snapshot diff ada@3", "what has changed since"},
    {"devrun snapshot diff ada@3 ada@5 -p /etc/fstab", "one file, line by line"},
    {"devrun snapshot restore ada@3 /home/ada/thesis", "a folder as it was; what is there is kept"},
    {"devrun --volume ada@3 python train.py", "runs in an old snapshot"}};
constexpr std::array<std::string_view, 5> kVerbs{"create", "ls", "diff", "restore", "rm"};
constexpr uint64_t kPatchBytesMax = 8 << 20;

// A volume that is not named is that of the container, or the configuration's.
std::string or_default(const std::string& volume, const Target& target) {
  return volume.empty() && !target.through_socket ? target.volume : volume;
}
SnapshotName or_default(SnapshotName name, const Target& target) {
  name.volume = or_default(name.volume, target);
  return name;
}

Result<int> create(const std::string& volume, const std::string& message, bool json,
                   Context& context) {
  const auto controller = TRY(controller_of(context));
  const SnapshotRecord made =
      TRY(controller->create_snapshot(or_default(volume, controller->target()), message));
  TRY(context.console.data(json ? snapshot_json(made)
                                : fmt::format("{}@{}\n", made.volume, made.number)));
  return 0;
}

Result<int> list(const std::string& volume, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const auto all = TRY(controller->list_snapshots(or_default(volume, controller->target())));
  TRY(context.console.data(json ? snapshots_json(all) : snapshots_text(all, wall_clock())));
  return 0;
}

Result<int> remove(const SnapshotName& name, Context& context) {
  const auto controller = TRY(controller_of(context));
  const SnapshotRecord gone =
      TRY(controller->remove_snapshot(or_default(name, controller->target())));
  context.console.say(fmt::format("snapshot {}@{} is removed", gone.volume, gone.number));
  return 0;
}

Result<int> restore(const SnapshotName& name, const std::vector<std::string>& paths, bool quiet,
                    bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  RestoredRecord done;
  {
    Progress progress(context.console, quiet, is_terminal(context.console.err()));
    done = TRY(controller->restore_snapshot(or_default(name, controller->target()), paths,
                                            shown_by(progress)));
  }
  if (json) TRY(context.console.data(snapshot_json(done.before)));
  if (!quiet) {
    context.console.say(fmt::format(
        "{} {} written or removed; to undo: devrun snapshot restore {}@{}", done.entries,
        done.entries == 1 ? "entry" : "entries", done.before.volume, done.before.number));
  }
  return 0;
}

struct Diff {
  SnapshotName before;
  SnapshotName after;
  std::string patch;
  bool stat = false;
  bool json = false;
};

// A file that is in one of the two only differs from nothing.
Result<std::string> file_of(Controller& controller, const SnapshotName& name,
                            const std::string& path, bool& is_there) {
  Result<std::string> bytes = controller.read_snapshot_file(name, path, kPatchBytesMax);
  is_there = bytes.has_value();
  if (bytes || bytes.error().code != Code::kNotFound) return bytes;
  return std::string();
}

Result<int> show_patch(Controller& controller, const Diff& wanted, Context& context) {
  bool before_is_there = false;
  bool after_is_there = false;
  const std::string before = TRY(file_of(controller, wanted.before, wanted.patch, before_is_there));
  const std::string after = TRY(file_of(controller, wanted.after, wanted.patch, after_is_there));
  if (!before_is_there && !after_is_there) {
    return Error{Code::kNotFound, fmt::format("{} is in neither of them", wanted.patch), {}};
  }
  const auto name = [&](const SnapshotName& of, bool is_there) {
    if (!is_there) return std::string("/dev/null");
    return fmt::format("{}{}{}{}", of.volume, of.snapshot.empty() ? "" : "@", of.snapshot,
                       printable_path(wanted.patch));
  };
  TRY(context.console.data(unified_diff(before, after, name(wanted.before, before_is_there),
                                        name(wanted.after, after_is_there))));
  return 0;
}

Result<int> diff(Diff wanted, Context& context) {
  const auto controller = TRY(controller_of(context));
  wanted.before = or_default(wanted.before, controller->target());
  wanted.after = or_default(wanted.after, controller->target());
  if (wanted.after.volume.empty()) wanted.after.volume = wanted.before.volume;
  if (!wanted.patch.empty()) return show_patch(*controller, wanted, context);
  ChangeTotals totals;
  TRY(controller->diff_snapshots(
      wanted.before, wanted.after, {}, [&](const ChangeRecord& change) -> Status {
        totals.add(change);
        if (wanted.stat) return ok();
        return context.console.data(wanted.json ? change_json(change) : change_line(change));
      }));
  if (wanted.stat) {
    TRY(context.console.data(wanted.json ? totals_json(totals) : totals_text(totals)));
  }
  return 0;
}

Result<Action> parse_diff(const Arguments& arguments) {
  const auto& words = arguments.words;
  if (words.size() < 2 || words.size() > 3) {
    return Error{Code::kInvalid, "diff: expected one or two of VOLUME@SNAPSHOT or VOLUME", {}};
  }
  Diff wanted;
  wanted.before = TRY(parse_snapshot_name(words[1]));
  wanted.after = words.size() == 3 ? TRY(parse_snapshot_name(words[2]))
                                   : SnapshotName{wanted.before.volume, {}};
  if (words.size() == 2 && wanted.before.snapshot.empty()) {
    return Error{Code::kInvalid, "diff: a volume does not differ from itself: name a snapshot",
                 fmt::format("devrun snapshot ls {}", words[1])};
  }
  wanted.patch = arguments.value("patch").value_or("");
  if (!wanted.patch.empty() && wanted.patch[0] != '/') {
    return Error{Code::kInvalid,
                 fmt::format("--patch: '{}' is not an absolute path in the volume", wanted.patch),
                 {}};
  }
  wanted.stat = arguments.has("stat");
  wanted.json = arguments.has("json");
  return Action([=](Context& context) { return diff(wanted, context); });
}

Result<Action> parse_verb(const Arguments& arguments, const std::string& verb) {
  const auto& words = arguments.words;
  const bool json = arguments.has("json");
  if (verb == "diff") return parse_diff(arguments);
  if (verb == "create" || verb == "ls") {
    if (words.size() > 2) {
      return Error{Code::kInvalid, fmt::format("{}: expected one volume, or none", verb), {}};
    }
    const std::string volume = words.size() == 2 ? words[1] : "";
    if (verb == "ls") return Action([=](Context& context) { return list(volume, json, context); });
    const std::string message = arguments.value("message").value_or("");
    return Action([=](Context& context) { return create(volume, message, json, context); });
  }
  const SnapshotName name = words.size() >= 2 ? TRY(parse_snapshot_name(words[1])) : SnapshotName{};
  if (name.snapshot.empty()) {
    return Error{
        Code::kInvalid, fmt::format("{}: expected VOLUME@SNAPSHOT, such as ada@12", verb), {}};
  }
  if (verb == "rm") {
    if (words.size() != 2) return Error{Code::kInvalid, "rm: expected one snapshot", {}};
    return Action([=](Context& context) { return remove(name, context); });
  }
  const std::vector<std::string> paths(words.begin() + 2, words.end());
  for (const std::string& path : paths) {
    if (path.starts_with('/')) continue;
    return Error{Code::kInvalid,
                 fmt::format("restore: '{}' is not an absolute path in the volume", path),
                 {}};
  }
  const bool quiet = arguments.has("quiet");
  return Action([=](Context& context) { return restore(name, paths, quiet, json, context); });
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.empty() || arguments.has_dashes) {
    return Error{Code::kInvalid, fmt::format("expected {}", fmt::join(kVerbs, ", ")), {}};
  }
  const std::string& verb = arguments.words[0];
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) {
    const auto nearest = nearest_word(verb, kVerbs);
    return Error{Code::kInvalid,
                 fmt::format("'{}' is not {}{}", verb, fmt::join(kVerbs, ", "),
                             nearest ? fmt::format(": did you mean {}?", *nearest) : ""),
                 {}};
  }
  TRY(only_for(arguments, verb));
  return parse_verb(arguments, verb);
}

}  // namespace

Command snapshot_command() {
  return {
      {.name = "snapshot",
       .usage = {"snapshot create [-m TEXT] [V]", "snapshot ls [--json] [V]",
                 "snapshot diff [--stat] [-p PATH] A [B]", "snapshot restore V@S [PATH…]",
                 "snapshot rm V@S"},
       .purpose = "the snapshots of a volume: kept, listed, compared, brought back",
       .text =
           "Every run takes a snapshot if something has changed. They are numbered, V@1, V@2, …, "
           "and old ones go by\n"
           "themselves; `create` makes one that stays. A and B are V@S or V, which is its state "
           "now; "
           "inside a dev\n"
           "container V may be left out. Letters of `diff`: A created, D deleted, M changed, T of "
           "another type, m mode,\n"
           "owner or attributes. `restore` first keeps what is there as a snapshot.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
