// `devrun volume`: volumes, made, copied, listed, measured and removed.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "cli/client/tar_stream.h"
#include "cli/client/terminal.h"
#include "cli/commands/ask.h"
#include "cli/commands/connect.h"
#include "cli/commands/progress_words.h"
#include "cli/commands/verbs.h"
#include "cli/commands/volume_paths.h"
#include "cli/commands/volume_share.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "cli/output/snapshot_output.h"
#include "common/base/suggest.h"
#include "common/base/units.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "from-debootstrap",
     .value = "SUITE",
     .meaning = "create: a fresh Debian of this suite",
     .example = "--from-debootstrap bookworm"},
    {.name = "include",
     .value = "P,Q",
     .meaning = "create: with these packages, too",
     .example = "--include python3,python3-numpy"},
    {.name = "from-dir",
     .value = "D",
     .meaning = "create: a copy of a folder on the storage host (admin)",
     .example = "--from-dir /srv/root"},
    {.name = "from-image",
     .value = "REF",
     .meaning =
         "create: from a container image; oci-archive:F, docker-archive:F and docker-daemon:I "
         "are the storage host's (admin)",
     .example = "--from-image debian:bookworm"},
    {.name = "from-tar",
     .value = "F",
     .meaning = "create: from a tar archive here, also compressed; - is stdin",
     .example = "--from-tar root.tar.zst"},
    {.name = "from-volume",
     .value = "V[@S]",
     .meaning = "create: a copy of a volume as it is now, or of a snapshot of it",
     .example = "--from-volume ada@12"},
    {.name = "empty", .meaning = "create: with nothing in it", .example = "--empty"},
    {.name = "quota",
     .value = "SIZE",
     .meaning = "create: no snapshot of more than this",
     .example = "--quota 50G"},
    {.name = "removed", .meaning = "ls: those that were removed and are still kept"},
    {.name = "home",
     .value = "PATH",
     .meaning = "paths: what jobs write there appears in the volume; a word without / means all "
                "entries of that name",
     .example = "--home /srv/results"},
    {.name = "node",
     .value = "PATH",
     .meaning = "paths: it stays on the node, for this volume's next jobs there",
     .example = "--node node_modules"},
    {.name = "kept",
     .value = "PATH",
     .meaning = "paths: it stays in the job's change set until devrun apply",
     .example = "--kept /root/scratch"},
    {.name = "live",
     .value = "PATH",
     .meaning = "paths: jobs see the volume itself there, read-write",
     .example = "--live /root/data"},
    {.name = "unset",
     .value = "PATH",
     .meaning = "paths: as if nothing had been set for it",
     .example = "--unset /root/data"},
    {.name = "read", .meaning = "share: to run jobs in snapshots of it, fork it, read its files"},
    {.name = "write", .meaning = "share: that, and to change it: results of their jobs come home"},
    {.name = "none", .meaning = "share: not any more"},
    {.name = "yes", .meaning = "rm: without asking", .example = "--yes"},
    {.name = "json",
     .meaning = "create, ls, du, paths, share: one JSON record",
     .example = "--json"},
    {.letter = 'q', .name = "quiet", .meaning = "create, import: no progress", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun volume create ada --from-debootstrap bookworm --include python3",
     "a Debian with Python in it"},
    {"devrun volume fork ada ada-experiment", "a copy to break things in, at once"},
    {"devrun volume import ~/miniconda3 ada", "a folder from here, to the same path in the volume"},
    {"devrun volume ls", "all that you may see, with their newest snapshot"},
    {"devrun volume paths ada --home /srv/results", "what jobs write there comes home, too"},
    {"devrun volume share ada bob --read", "bob runs jobs in snapshots of it; nobody else sees it"},
    {"devrun volume du", "whose bytes the store holds"},
    {"devrun volume rm ada", "asks for the name; kept for 7 days, see restore"}};

constexpr size_t kNamesMax = 100;  // of one rm
constexpr std::array<std::string_view, 10> kVerbs{"create", "fork", "import",  "ls",    "du",
                                                  "quota",  "rm",   "restore", "paths", "share"};

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (comma != 0) out.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

// The path is one of the storage host's; a relative one is meant from here, which is the same host
// or an error there.
Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  return Error{
      Code::kInvalid,
      fmt::format("--from-dir: '{}' is not absolute: the folder is one of the storage host", path),
      {}};
}

struct NewVolume {
  VolumeRequest request;
  std::string archive;  // instead of the request's source; empty: none
};

Result<int64_t> parse_quota(const std::string& text) {
  if (text == "none" || text == "0") return int64_t{0};
  return parse_size(text);
}

Status take_source(const Arguments& arguments, NewVolume& out) {
  const auto include = arguments.values("include");
  const auto suite = arguments.value("from-debootstrap");
  if (!include.empty() && !suite)
    return Error{Code::kInvalid, "--include goes with --from-debootstrap", {}};
  if (suite) {
    FromDebootstrap source{*suite, {}};
    for (const std::string& list : include) {
      for (std::string& package : split_commas(list)) source.include.push_back(std::move(package));
    }
    out.request.source = std::move(source);
  }
  if (const auto folder = arguments.value("from-dir")) {
    out.request.source = FromFolder{TRY(absolute(*folder))};
  }
  if (const auto image = arguments.value("from-image")) out.request.source = FromImage{*image};
  if (const auto volume = arguments.value("from-volume")) {
    out.request.source = FromVolume{TRY(parse_snapshot_name(*volume))};
  }
  out.archive = arguments.value("from-tar").value_or("");
  return ok();
}

Result<NewVolume> new_volume(const Arguments& arguments, const std::string& name) {
  NewVolume out{{name, Empty{}, 0}, {}};
  int sources = 0;
  for (const char* const source :
       {"from-debootstrap", "from-dir", "from-image", "from-volume", "from-tar", "empty"}) {
    sources += arguments.has(source) ? 1 : 0;
  }
  if (sources != 1) {
    return Error{Code::kInvalid,
                 "create needs one source: --from-debootstrap SUITE, --from-image REF, --from-dir "
                 "D, --from-tar F, --from-volume V or --empty",
                 {}};
  }
  TRY(take_source(arguments, out));
  if (const auto quota = arguments.value("quota")) {
    out.request.quota_bytes = TRY(parse_quota(*quota));
  }
  return out;
}

Status fill(Controller& controller, FillRequest request, const std::string& archive, int in,
            const ProgressWords& words) {
  const auto whole = []() -> Status { return ok(); };
  if (archive == "-") return controller.fill_volume(request, in, whole, words);
  const UniqueFd file = TRY(open_file(archive, O_RDONLY));
  struct stat st {};
  if (::fstat(file.get(), &st) == 0 && S_ISREG(st.st_mode)) request.archive_bytes = st.st_size;
  return controller.fill_volume(request, file.get(), whole, words);
}

Result<int> create(const NewVolume& wanted, bool quiet, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const VolumeRequest& request = wanted.request;
  {
    Progress progress(context.console, quiet, is_terminal(context.console.err()));
    const ProgressWords words = shown_by(progress);
    if (wanted.archive.empty()) {
      TRY(controller->create_volume(request, words));
    } else {
      const FillRequest fill_request{request.name, true, {}, request.quota_bytes};
      TRY(fill(*controller, fill_request, wanted.archive, context.in, words));
    }
  }
  if (!quiet) {
    context.console.say(fmt::format("volume {} is there", request.name),
                        fmt::format("devrun shell {}", request.name));
  }
  if (!json) return 0;
  auto volumes = TRY(controller->list_volumes());
  std::erase_if(volumes, [&](const VolumeRecord& one) { return one.name != request.name; });
  TRY(context.console.data(volumes_json(volumes)));
  return 0;
}

// SRC[:DST]: without a destination the same path in the volume.
struct Import {
  std::string from;
  std::string to;
};
Result<Import> parse_import(const std::string& text) {
  const size_t colon = text.rfind(":/");
  Import out{text.substr(0, colon), {}};
  std::error_code error;
  const auto full = std::filesystem::canonical(out.from, error);
  if (error) {
    return Error{Code::kInvalid, fmt::format("import: {}: {}", out.from, error.message()), {}};
  }
  if (!std::filesystem::is_directory(full)) {
    return Error{Code::kInvalid, fmt::format("import: {} is not a folder", out.from), {}};
  }
  out.from = full;
  out.to = colon == std::string::npos ? out.from : text.substr(colon + 1);
  return out;
}

// About what tar makes of it.
int64_t bytes_below(const std::string& folder) {
  constexpr int64_t kHeader = 1024;
  int64_t out = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; at != end && !error;
       at.increment(error)) {
    out += kHeader;
    std::error_code none;
    if (at->is_regular_file(none) && !at->is_symlink(none)) {
      out += static_cast<int64_t>(at->file_size(none));
    }
  }
  return out;
}

Result<int> import(const Import& what, const std::string& volume, bool quiet, Context& context) {
  const auto controller = TRY(controller_of(context));
  TarStream tar = TRY(TarStream::of_folder(what.from));
  {
    Progress progress(context.console, quiet, is_terminal(context.console.err()));
    TRY(controller->fill_volume(
        {volume, false, what.to, 0, bytes_below(what.from)}, tar.fd(), [&] { return tar.finish(); },
        shown_by(progress)));
  }
  if (!quiet)
    context.console.say(fmt::format("{} is in volume {} as {}", what.from, volume, what.to));
  return 0;
}

Result<int> list(bool removed, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const auto volumes = TRY(controller->list_volumes(removed));
  const std::string text =
      removed ? removed_text(volumes, wall_clock()) : volumes_text(volumes, wall_clock());
  TRY(context.console.data(json ? volumes_json(volumes) : text));
  return 0;
}

Result<int> usage(const std::string& volume, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const UsageRecord found = TRY(controller->usage(volume));
  TRY(context.console.data(json ? usage_json(found) : usage_text(found)));
  return 0;
}

// All of them are there, and each was asked for, before the first one is removed.
Result<int> remove(const std::vector<std::string>& names, bool yes, Context& context) {
  const auto controller = TRY(controller_of(context));
  if (names.size() > 1) {
    const auto known = TRY(controller->list_volumes(false));
    for (const std::string& name : names) {
      if (std::ranges::count(known, name, &VolumeRecord::name) > 0) continue;
      return Error{Code::kNotFound,
                   fmt::format("there is no volume '{}', and none was removed", name),
                   "devrun volume ls"};
    }
  }
  for (const std::string& name : names) {
    if (!yes) TRY(ask_for_name(context, fmt::format("removing volume {}", name), name));
  }
  for (const std::string& name : names) {
    const Time kept_until = TRY(controller->remove_volume(name));
    context.console.say(
        fmt::format("volume {} is removed, and kept until {}", name, format_time(kept_until)),
        fmt::format("devrun volume restore {}, to have it back", name));
  }
  return 0;
}

Result<int> bring_back(const std::string& name, Context& context) {
  const auto controller = TRY(controller_of(context));
  TRY(controller->return_volume(name));
  context.console.say(fmt::format("volume {} is back", name));
  return 0;
}

Result<int> set_quota(const std::string& name, int64_t bytes, Context& context) {
  const auto controller = TRY(controller_of(context));
  TRY(controller->set_quota(name, bytes));
  return 0;
}

Error unknown_verb(const std::string& verb) {
  const auto nearest = nearest_word(verb, kVerbs);
  return {Code::kInvalid,
          fmt::format("'{}' is not {}{}", verb, fmt::join(kVerbs, ", "),
                      nearest ? fmt::format(": did you mean {}?", *nearest) : ""),
          {}};
}

Status expect_words(const Arguments& arguments, size_t least, size_t most, std::string_view what) {
  const size_t count = arguments.words.size() - 1;
  if (count >= least && count <= most && !arguments.has_dashes) return ok();
  return Error{Code::kInvalid, fmt::format("{}: expected {}", arguments.words[0], what), {}};
}

Result<Action> parse_verb(const Arguments& arguments, const std::string& verb) {
  const auto word = [&](size_t i) {
    return i < arguments.words.size() ? arguments.words[i] : std::string();
  };
  const bool json = arguments.has("json");
  const bool quiet = arguments.has("quiet");
  if (verb == "paths") return parse_volume_paths(arguments);
  if (verb == "share") return parse_volume_share(arguments);
  if (verb == "ls") {
    TRY(expect_words(arguments, 0, 0, "no name"));
    const bool removed = arguments.has("removed");
    return Action([=](Context& context) { return list(removed, json, context); });
  }
  if (verb == "du") {
    TRY(expect_words(arguments, 0, 1, "one volume's name, or none"));
    return Action([=, name = word(1)](Context& context) { return usage(name, json, context); });
  }
  if (verb == "fork") {
    TRY(expect_words(arguments, 2, 2, "a volume, and a name for its copy"));
    const NewVolume copy{{word(2), FromVolume{TRY(parse_snapshot_name(word(1)))}, 0}, {}};
    return Action([=](Context& context) { return create(copy, quiet, json, context); });
  }
  if (verb == "import") {
    TRY(expect_words(arguments, 2, 2, "a folder here, as SRC or SRC:/DST, and a volume"));
    const Import what = TRY(parse_import(word(1)));
    return Action(
        [=, volume = word(2)](Context& context) { return import(what, volume, quiet, context); });
  }
  if (verb == "quota") {
    TRY(expect_words(arguments, 2, 2, "a volume, and a size or none"));
    const int64_t bytes = TRY(parse_quota(word(2)));
    return Action(
        [=, name = word(1)](Context& context) { return set_quota(name, bytes, context); });
  }
  if (verb == "rm") {
    TRY(expect_words(arguments, 1, kNamesMax, "volumes' names"));
    const std::vector<std::string> names(arguments.words.begin() + 1, arguments.words.end());
    return Action(
        [=, yes = arguments.has("yes")](Context& context) { return remove(names, yes, context); });
  }
  TRY(expect_words(arguments, 1, 1, "one volume's name"));
  const std::string name = word(1);
  if (verb == "restore") {
    return Action([=](Context& context) { return bring_back(name, context); });
  }
  const NewVolume wanted = TRY(new_volume(arguments, name));
  return Action([=](Context& context) { return create(wanted, quiet, json, context); });
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.empty()) {
    return Error{Code::kInvalid, fmt::format("expected {}", fmt::join(kVerbs, ", ")), {}};
  }
  const std::string& verb = arguments.words[0];
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) return unknown_verb(verb);
  TRY(only_for(arguments, verb));
  return parse_verb(arguments, verb);
}

}  // namespace

Command volume_command() {
  return {
      {.name = "volume",
       .usage = {"volume create NAME --from-debootstrap SUITE [--include P,Q] | --from-image REF | "
                 "--empty",
                 "volume create NAME --from-dir D | --from-tar F | --from-volume V[@S]",
                 "volume fork V NEW", "volume import SRC[:DST] V", "volume ls [--removed] [--json]",
                 "volume du [V] [--json]", "volume quota V SIZE|none", "volume rm [--yes] NAME…",
                 "volume restore NAME",
                 "volume share V [USER|@GROUP --read|--write|--none] [--json]",
                 "volume paths [V] [--home|--node|--kept|--live|--unset PATH]… [--json]"},
       .purpose = "volumes: the root file systems that developers work in",
       .text =
           "Names are of a-z, 0-9, '.', '_' and '-', at most 63 characters. Interrupting create "
           "or import leaves\n"
           "nothing behind, or the volume as it was before its last words.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
