#include "cli/commands/volume_paths.h"

#include <fmt/format.h>

#include "cli/client/caller.h"
#include "cli/commands/connect.h"
#include "cli/output/paths_output.h"

namespace devrun::cli {

namespace {

// A path, or a plain word: all entries of that name, wherever they are.
Result<PathRule> parse_rule(const std::string& option, const std::string& text, PathKind kind) {
  const bool is_name = text.find('/') == std::string::npos;
  const PathRule rule =
      is_name ? PathRule{"/", text, kind} : PathRule{TRY(absolute_path(text)), {}, kind};
  Status checked = check_path_rule(rule);
  if (!checked) return std::move(checked).error().context("--" + option);
  return rule;
}

struct Wish {
  PathsChange change;
  bool json = false;
};

Result<int> paths(Wish wish, Context& context) {
  const auto controller = TRY(controller_of(context));
  const Target& target = controller->target();
  if (wish.change.volume.empty() && !target.through_socket) wish.change.volume = target.volume;
  const std::string home = TRY(capture_caller()).home;
  const std::string cwd = target.through_socket ? TRY(current_folder()) : home;
  const bool only_shows = wish.change.set.empty() && wish.change.unset.empty();
  const VolumePathsRecord now =
      TRY(only_shows ? controller->volume_paths(wish.change.volume, home, cwd)
                     : controller->set_volume_paths(wish.change, home, cwd));
  TRY(context.console.data(wish.json ? paths_json(now) : paths_text(now)));
  return 0;
}

}  // namespace

Result<Action> parse_volume_paths(const Arguments& arguments) {
  Wish wish;
  if (arguments.words.size() > 2 || arguments.has_dashes) {
    return Error{Code::kInvalid, "paths: expected one volume, or none inside a dev container", {}};
  }
  if (arguments.words.size() == 2) wish.change.volume = arguments.words[1];
  wish.json = arguments.has("json");
  constexpr std::pair<const char*, PathKind> kKinds[] = {{"home", PathKind::kHome},
                                                         {"node", PathKind::kNode},
                                                         {"kept", PathKind::kKept},
                                                         {"live", PathKind::kLive}};
  for (const auto& [option, kind] : kKinds) {
    for (const std::string& text : arguments.values(option)) {
      wish.change.set.push_back(TRY(parse_rule(option, text, kind)));
    }
  }
  for (const std::string& text : arguments.values("unset")) {
    wish.change.unset.push_back(TRY(parse_rule("unset", text, PathKind::kKept)));
  }
  return Action([=](Context& context) { return paths(wish, context); });
}

}  // namespace devrun::cli
