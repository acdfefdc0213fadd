// `devrun volume`: volumes, made, listed and removed.
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "cli/commands/ask.h"
#include "cli/commands/connect.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "common/base/suggest.h"

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
    {.name = "empty", .meaning = "create: with nothing in it", .example = "--empty"},
    {.name = "from-image",
     .value = "REF",
     .meaning = "create: from a container image",
     .supported = false},
    {.name = "from-tar", .value = "F", .meaning = "create: from an archive", .supported = false},
    {.name = "from-volume",
     .value = "V[@S]",
     .meaning = "create: from another volume",
     .supported = false},
    {.name = "yes", .meaning = "rm: without asking", .example = "--yes"},
    {.name = "json", .meaning = "ls: one JSON record: {\"volumes\": […]}", .example = "--json"},
    {.letter = 'q', .name = "quiet", .meaning = "create: no progress", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun volume create ada --from-debootstrap bookworm --include python3",
     "a Debian with Python in it"},
    {"devrun volume ls", "all that you may see, with their newest snapshot"},
    {"devrun volume rm ada", "asks for the name; kept for 7 days before it is gone"}};

constexpr std::array<std::string_view, 3> kVerbs{"create", "ls", "rm"};
constexpr std::array<std::string_view, 5> kLaterVerbs{"fork", "du", "import", "paths", "share"};

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

Result<VolumeRequest> request_for(const Arguments& arguments, const std::string& name) {
  VolumeRequest out{name, Empty{}};
  const auto suite = arguments.value("from-debootstrap");
  const auto folder = arguments.value("from-dir");
  const int sources = (suite ? 1 : 0) + (folder ? 1 : 0) + (arguments.has("empty") ? 1 : 0);
  if (sources != 1) {
    return Error{Code::kInvalid,
                 "create needs one source: --from-debootstrap SUITE, --from-dir D or --empty",
                 {}};
  }
  const auto include = arguments.values("include");
  if (!include.empty() && !suite)
    return Error{Code::kInvalid, "--include goes with --from-debootstrap", {}};
  if (folder) out.source = FromFolder{TRY(absolute(*folder))};
  if (suite) {
    FromDebootstrap source{*suite, {}};
    for (const std::string& list : include) {
      for (std::string& package : split_commas(list)) source.include.push_back(std::move(package));
    }
    out.source = std::move(source);
  }
  return out;
}

Result<int> create(const VolumeRequest& request, bool quiet, Context& context) {
  const auto controller = TRY(controller_of(context));
  TRY(controller->create_volume(request, [&](std::string_view line) {
    if (!quiet) context.console.say(line);
  }));
  if (!quiet)
    context.console.say(fmt::format("volume {} is there", request.name),
                        fmt::format("devrun shell {}", request.name));
  return 0;
}

Result<int> list(bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const auto volumes = TRY(controller->list_volumes());
  TRY(context.console.data(json ? volumes_json(volumes) : volumes_text(volumes, wall_clock())));
  return 0;
}

Result<int> remove(const std::string& name, bool yes, Context& context) {
  if (!yes) TRY(ask_for_name(context, fmt::format("removing volume {}", name), name));
  const auto controller = TRY(controller_of(context));
  const Time kept_until = TRY(controller->remove_volume(name));
  context.console.say(
      fmt::format("volume {} is removed, and kept until {}", name, format_time(kept_until)));
  return 0;
}

Error unknown_verb(const std::string& verb) {
  if (std::ranges::find(kLaterVerbs, verb) != kLaterVerbs.end()) {
    return {
        Code::kUnsupported, fmt::format("`devrun volume {}` is not in this version yet", verb), {}};
  }
  const auto nearest = nearest_word(verb, kVerbs);
  return {Code::kInvalid,
          fmt::format("'{}' is not create, ls or rm{}", verb,
                      nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
          {}};
}

Result<std::string> one_name(const Arguments& arguments) {
  if (arguments.words.size() == 2 && !arguments.has_dashes) return arguments.words[1];
  return Error{
      Code::kInvalid, fmt::format("{}: expected one volume's name", arguments.words[0]), {}};
}

// Options that belong to another verb.
Status only_for(const Arguments& arguments, std::string_view verb) {
  for (const Given& given : arguments.given) {
    const std::string_view meaning = given.option->meaning;
    const size_t colon = meaning.find(": ");
    if (colon == std::string_view::npos || meaning.substr(0, colon) == verb) continue;
    return Error{
        Code::kInvalid,
        fmt::format("{} goes with {}, not with {}", given.as_typed, meaning.substr(0, colon), verb),
        {}};
  }
  return ok();
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.empty()) return Error{Code::kInvalid, "expected create, ls or rm", {}};
  const std::string& verb = arguments.words[0];
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) return unknown_verb(verb);
  TRY(only_for(arguments, verb));
  if (verb == "ls") {
    if (arguments.words.size() > 1) return Error{Code::kInvalid, "ls takes no name", {}};
    const bool json = arguments.has("json");
    return Action([=](Context& context) { return list(json, context); });
  }
  const std::string name = TRY(one_name(arguments));
  if (verb == "rm") {
    const bool yes = arguments.has("yes");
    return Action([=](Context& context) { return remove(name, yes, context); });
  }
  const VolumeRequest request = TRY(request_for(arguments, name));
  const bool quiet = arguments.has("quiet");
  return Action([=](Context& context) { return create(request, quiet, context); });
}

}  // namespace

Command volume_command() {
  return {
      {.name = "volume",
       .usage =
           {"volume create NAME --from-debootstrap SUITE [--include P,Q] | --from-dir D | --empty",
            "volume ls [--json]", "volume rm [--yes] NAME"},
       .purpose = "volumes: the root file systems that developers work in",
       .text = "Names are of a-z, 0-9, '.', '_' and '-', at most 63 characters.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
