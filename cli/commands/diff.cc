// `devrun diff`: what differs between the file systems of two runs, or of a run and a volume now;
// packages by their names.
#include <fmt/format.h>

#include "cli/commands/connect.h"
#include "cli/commands/verbs.h"
#include "cli/output/packages.h"
#include "cli/output/snapshot_output.h"

namespace devrun::cli {

namespace {

constexpr size_t kChangesMax = 2'000'000;
constexpr uint64_t kListBytesMax = 32 << 20;
// Of more packages than that nobody looks at the files that are not theirs.
constexpr size_t kPackagesLookedIntoMax = 200;

constexpr Option kOptions[] = {
    {.name = "left",
     .meaning = "compare what the jobs left, with all that they wrote, not what they began with",
     .example = "--left"},
    {.name = "files", .meaning = "the files of packages, too"},
    {.name = "stat", .meaning = "only how much differs"},
    {.name = "json", .meaning = "one JSON record a line: packages, then all files"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun diff 42", "what has changed in the volume since job 42 began"},
    {"devrun diff 41 42", "what job 42 saw otherwise than job 41"},
    {"devrun diff 42 ada@7", "and a snapshot"},
    {"devrun diff --left 42", "its whole file system at its end, and the volume now"}};

struct Wish {
  TreeName before;
  std::optional<TreeName> after;  // unset: the volume of `before`, now
  bool left = false;
  bool files = false;
  bool stat = false;
  bool json = false;
};

// What differs, and the means to look closer.
struct Compared {
  Controller& controller;
  TreeName before;
  TreeName after;
  std::vector<ChangeRecord> changes = {};

  // Nothing where there is no such file, or one that cannot be read.
  std::string file(const TreeName& tree, const std::string& path) const {
    Result<std::string> bytes = controller.read_tree_file(tree, path, kListBytesMax);
    return bytes ? std::move(*bytes) : std::string();
  }
};

// Once compared, the state of a volume now has a name, so that all that is read later is of it.
void fix_live(TreeName& name, const Digest& tree) {
  auto* snapshot = std::get_if<SnapshotName>(&name.of);
  if (snapshot != nullptr && snapshot->snapshot.empty()) snapshot->snapshot = tree.hex();
}

Status compare(Compared& out) {
  return out.controller.compare_trees(
      TreeName(out.before), TreeName(out.after),
      [&](const Digest& before, const Digest& after) {
        fix_live(out.before, before);
        fix_live(out.after, after);
      },
      [&](const ChangeRecord& change) -> Status {
        if (out.changes.size() == kChangesMax) {
          return Error{Code::kExhausted, fmt::format("more than {} files differ", kChangesMax),
                       "devrun snapshot diff --stat"};
        }
        out.changes.push_back(change);
        return ok();
      });
}

void add_python(const Compared& compared, std::vector<PackageChange>& packages,
                PackageFiles& owned) {
  const std::vector<PackageChange> found = python_changes(compared.changes);
  for (const PackageChange& one : found) {
    packages.push_back(one);
    if (packages.size() > kPackagesLookedIntoMax) continue;
    for (const auto& [tree, folder] :
         {std::pair(compared.before, one.info_before), std::pair(compared.after, one.info_after)}) {
      const std::optional<DistInfo> info = dist_info_of(folder);
      if (!info) continue;
      owned.add_folder(info->path);
      owned.add(files_of_record(compared.file(tree, info->path + "/RECORD"), info->site));
    }
  }
}

// dpkg's list of a package's files: a path a line.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void add_debian(const Compared& compared, std::vector<PackageChange>& packages,
                PackageFiles& owned) {
  const bool differs = std::ranges::any_of(
      compared.changes, [](const ChangeRecord& change) { return change.path == kDpkgStatus; });
  if (!differs) return;
  const std::string status(kDpkgStatus);
  const auto found = debian_changes(parse_dpkg_status(compared.file(compared.before, status)),
                                    parse_dpkg_status(compared.file(compared.after, status)));
  if (found.empty()) return;
  owned.add_folder("/var/lib/dpkg");
  for (const PackageChange& one : found) {
    packages.push_back(one);
    if (packages.size() > kPackagesLookedIntoMax) continue;
    const std::string list = fmt::format("/var/lib/dpkg/info/{}.list", one.name);
    if (!one.before.empty()) owned.add(lines_of(compared.file(compared.before, list)));
    if (!one.after.empty()) owned.add(lines_of(compared.file(compared.after, list)));
  }
}

Status print(const Compared& compared, const Wish& wish, const Console& console) {
  std::vector<PackageChange> packages;
  PackageFiles owned;
  add_python(compared, packages, owned);
  add_debian(compared, packages, owned);
  for (const PackageChange& one : packages) {
    TRY(console.data(wish.json ? package_json(one) : package_line(one)));
  }
  uint64_t of_packages = 0;
  for (const ChangeRecord& change : compared.changes) {
    if (wish.json) {
      TRY(console.data(change_json(change)));
      continue;
    }
    if (!wish.files && owned.owns(change.path)) {
      ++of_packages;
      continue;
    }
    TRY(console.data(change_line(change)));
  }
  if (of_packages > 0) {
    console.say(fmt::format("{} file{} of these packages {}", of_packages,
                            of_packages == 1 ? "" : "s", of_packages == 1 ? "differs" : "differ"),
                "the same with --files");
  }
  return ok();
}

Result<int> diff(Wish wish, Context& context) {
  const auto controller = TRY(controller_of(context));
  if (!wish.after) {
    const JobPart job = std::get<JobPart>(wish.before.of);
    const JobRecord record = TRY(controller->get_job(job.job));
    wish.after = TreeName{SnapshotName{record.spec.root.volume, {}}};
  }
  for (TreeName* name : {&wish.before, &*wish.after}) {
    name->left = wish.left && std::holds_alternative<JobPart>(name->of);
  }
  Compared compared{*controller, wish.before, *wish.after};
  TRY(compare(compared));
  if (!wish.stat) {
    TRY(print(compared, wish, context.console));
    return 0;
  }
  ChangeTotals totals;
  for (const ChangeRecord& change : compared.changes) totals.add(change);
  TRY(context.console.data(wish.json ? totals_json(totals) : totals_text(totals)));
  return 0;
}

// A number is a job, whatever volumes are called.
Result<TreeName> parse_tree(const std::string& text) {
  if (const auto job = parse_job_part(text)) return TreeName{*job};
  return TreeName{TRY(parse_snapshot_name(text))};
}

Result<Action> parse(const Arguments& arguments) {
  const auto& words = arguments.words;
  if (words.empty() || words.size() > 2 || arguments.has_dashes) {
    return Error{
        Code::kInvalid, "expected a job, and another job or a volume to compare it with", {}};
  }
  Wish wish;
  wish.before = TRY(parse_tree(words[0]));
  if (words.size() == 2) wish.after = TRY(parse_tree(words[1]));
  if (!wish.after && !std::holds_alternative<JobPart>(wish.before.of)) {
    return Error{Code::kInvalid, fmt::format("'{}' is not a job", words[0]),
                 fmt::format("devrun snapshot diff {}", words[0])};
  }
  wish.left = arguments.has("left");
  wish.files = arguments.has("files");
  wish.stat = arguments.has("stat");
  wish.json = arguments.has("json");
  return Action([=](Context& context) { return diff(wish, context); });
}

}  // namespace

Command diff_command() {
  return {
      {.name = "diff",
       .usage = {"diff [--left] [--files|--stat] [--json] JOB [JOB|VOLUME[@S]]"},
       .purpose = "what differs between two runs' file systems, or a run's and the volume now",
       .text =
           "From what the first began with to what the second did, or to the volume as it is "
           "now. Packages are\n"
           "named (P numpy 1.24 → 1.26) in place of their files; the letters of files are those "
           "of devrun snapshot\n"
           "diff.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
