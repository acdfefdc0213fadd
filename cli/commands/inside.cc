#include "cli/commands/inside.h"

#include <csignal>

#include "cli/transfer/file_stream.h"
#include "cli/transfer/port_mux.h"

namespace devrun::cli {

namespace {
constexpr int kStatusFailed = 1;
}

int run_inside(const std::vector<std::string>& words, Context& context) {
  std::signal(SIGPIPE, SIG_IGN);
  const Console& console = context.console;
  Status done = Error{Code::kInvalid, "--inside is for devrun itself", "devrun help"};
  if (words.size() == 2 && words[0] == "files") {
    done = send_files(words[1], console.out(), [&](const std::string& text) { console.say(text); });
  } else if (words.size() == 1 && words[0] == "ports") {
    done = PortMux(context.in, console.out(), {}).run();
  }
  if (done) return 0;
  console.say(done.error());
  return kStatusFailed;
}

}  // namespace devrun::cli
