#include "cli/commands/inside.h"

#include <csignal>

#include "cli/commands/inside_ssh.h"
#include "cli/transfer/file_stream.h"
#include "cli/transfer/port_mux.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {
constexpr int kStatusFailed = 1;

// What comes becomes `target`, whose folders are made; of a folder that is there already, what comes is added.
Status take_files(int in, const std::string& target) {
  const size_t slash = target.rfind('/');
  if (slash == std::string::npos || slash + 1 == target.size()) {
    return Error{Code::kInvalid, "a place for files is an absolute path", {}};
  }
  const std::string folder = slash == 0 ? "/" : target.substr(0, slash);
  TRY(make_folders(folder, 0755));
  TRY(receive_files(in, folder, target.substr(slash + 1)));
  return ok();
}

}  // namespace

int run_inside(const std::vector<std::string>& words, Context& context) {
  std::signal(SIGPIPE, SIG_IGN);
  const Console& console = context.console;
  Status done = Error{Code::kInvalid, "--inside is for devrun itself", "devrun help"};
  if (words.size() == 2 && words[0] == "files") {
    done = send_files(words[1], console.out(), [&](const std::string& text) { console.say(text); });
  } else if (words.size() == 2 && words[0] == "take") {
    done = take_files(context.in, words[1]);
  } else if (words.size() == 1 && words[0] == "ports") {
    done = PortMux(context.in, console.out(), {}).run();
  } else if (words.size() == 1 && words[0] == kInsideSsh) {
    const Result<int> status = serve_ssh(context);
    if (status) return *status;
    done = status.error();
  }
  if (done) return 0;
  console.say(done.error());
  return kStatusFailed;
}

}  // namespace devrun::cli
