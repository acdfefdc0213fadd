#include "cli/commands/launch_clone.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

// Nobody is asked for a password: the job would wait for that unseen.
Result<ChildResult> git(const std::string& tree, std::vector<std::string> words) {
  std::vector<std::string> argv{"env", "GIT_TERMINAL_PROMPT=0", "git", "-C", tree};
  argv.insert(argv.end(), words.begin(), words.end());
  return run_child(argv, "apt-get install git");
}

Error failed(const std::string& shown, const std::string& said, const std::string& url) {
  std::string last = said;
  while (last.ends_with('\n')) last.pop_back();
  last = last.substr(last.rfind('\n') + 1);
  for (size_t at = last.find(url); at != std::string::npos && !url.empty(); at = last.find(url)) {
    last.replace(at, url.size(), "…");
  }
  return {Code::kNotFound, fmt::format("workdir: {} could not be cloned: {}", shown, last),
          "git ls-remote URL, to see what it has and whether it lets you in"};
}

}  // namespace

Clone::~Clone() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Result<Clone> clone_repository(const std::string& url, const std::string& ref,
                               const std::string& shown) {
  if (url.starts_with('-') || ref.starts_with('-')) {
    return Error{Code::kInvalid, fmt::format("workdir: {} is no repository", shown), {}};
  }
  std::string folder = "/tmp/devrun-clone-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return errno_error("make a folder in /tmp", errno);
  Clone out(folder);
  TRY(make_folders(out.folder(), 0755));
  const ChildResult made = TRY(git(out.folder(), {"init", "-q"}));
  if (made.exit_status == 127) {
    return Error{Code::kNotFound, "workdir: there is no git here to clone it with",
                 "apt-get install git"};
  }
  if (made.exit_status != 0) return failed(shown, made.out, url);
  TRY(git(out.folder(), {"remote", "add", "origin", url}));
  const std::string wanted = ref.empty() ? "HEAD" : ref;
  // Alone if the server lets that be asked for; a commit, not all do.
  ChildResult got = TRY(git(out.folder(), {"fetch", "-q", "--depth", "1", "origin", wanted}));
  std::string name = "FETCH_HEAD";
  if (got.exit_status != 0) {
    got = TRY(git(out.folder(), {"fetch", "-q", "--tags", "origin"}));
    name = wanted;
  }
  if (got.exit_status != 0) return failed(shown, got.out, url);
  got = TRY(git(out.folder(), {"-c", "advice.detachedHead=false", "checkout", "-q", name}));
  if (got.exit_status != 0) return failed(shown, got.out, url);
  return out;
}

}  // namespace devrun::cli
