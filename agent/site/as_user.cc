#include "agent/site/as_user.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/site/folder_server.h"
#include "common/base/log.h"
#include "common/base/parse_number.h"

namespace devrun::site {

namespace {

Error usage(std::string message) {
  return {Code::kInvalid, std::move(message), {}};
}

// Root's are not refused: this is who the container's caller is, inside.
Result<Inside> inside_of(const std::string& text) {
  const size_t colon = text.find(':');
  const auto uid = parse_number<uint32_t>(std::string_view(text).substr(0, colon));
  const auto gid = colon == std::string::npos
                       ? std::nullopt
                       : parse_number<uint32_t>(std::string_view(text).substr(colon + 1));
  if (!uid || !gid) return usage("--inside " + text + ": expected UID:GID");
  return Inside{*uid, *gid};
}

Result<UniqueFd> descriptor_of(const std::string& text) {
  const auto number = parse_number<int>(text);
  if (!number || *number < 3) return usage("'" + text + "' is no number of a descriptor");
  return UniqueFd(*number);
}

Status run(int argc, char** argv) {
  std::string who, inside, fuse, folder, place;
  const std::map<std::string_view, std::string*> flags{{"--as-user", &who},
                                                       {"--inside", &inside},
                                                       {"--fuse-fd", &fuse},
                                                       {"--folder-fd", &folder},
                                                       {"--at", &place}};
  for (int i = 1; i < argc; i += 2) {
    const auto flag = flags.find(argv[i]);
    if (flag == flags.end()) return usage(fmt::format("unknown flag {}", argv[i]));
    if (i + 1 >= argc) return usage(fmt::format("{} needs a value", argv[i]));
    *flag->second = argv[i + 1];
  }
  const SiteIdentity user = TRY(parse_site_identity(who));
  const Inside caller = TRY(inside_of(inside));
  UniqueFd mounted = TRY(descriptor_of(fuse));
  UniqueFd shown = TRY(descriptor_of(folder));
  TRY(become(user));
  // Whoever started us waits for the end of the first process, which says whether this has begun.
  const pid_t server = ::fork();
  if (server < 0) return errno_error("fork", errno);
  if (server > 0) return ok();
  return serve_folder(std::move(mounted), std::move(shown), user, caller);
}

}  // namespace

int as_user(int argc, char** argv) {
  log::start("devrun-fs", log::Level::kInfo);
  const Status done = run(argc, argv);
  if (done) return 0;
  log::error("{}", done.error().message);
  return 1;
}

}  // namespace devrun::site
