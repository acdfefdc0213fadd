#include "cli/commands/inner_session.h"

#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "cli/commands/attached_run.h"
#include "cli/commands/inside.h"
#include "common/runtime/pipe.h"

namespace devrun::cli {

Result<int> run_inner_session(Controller& controller, Context& context, Signals& signals,
                              const AttemptKey& key, const std::vector<std::string>& words,
                              const std::function<void(InnerStreams)>& work) {
  Pipe in = TRY(make_pipe());
  Pipe out = TRY(make_pipe());
  SessionWish wish;
  wish.id = TRY(new_request_id());
  wish.program.argv = {kInsideProgram, kInsideOption};
  wish.program.argv.insert(wish.program.argv.end(), words.begin(), words.end());
  wish.program.reads_stdin = true;
  Console console(out.write.get(), context.console.err());
  Context inner{context.surroundings, console, in.read.get()};
  Following following;
  following.task = key.task_key();
  following.rank = key.rank;
  following.write_stdin = true;
  following.quiet = true;
  following.signals_end_us = true;
  following.session = std::move(wish);
  std::thread worker(
      [&work, streams = InnerStreams{std::move(in.write), std::move(out.read)}]() mutable {
        work(std::move(streams));
      });
  const Result<int> status = follow_job(controller, inner, signals, following);
  out.write.reset();  // the worker's end of file
  in.read.reset();
  worker.join();
  return status;
}

}  // namespace devrun::cli
