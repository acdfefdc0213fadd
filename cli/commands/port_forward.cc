// `devrun port-forward`: TCP from here to a job.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/inner_session.h"
#include "cli/output/ending_text.h"
#include "cli/transfer/port_mux.h"
#include "common/base/parse_number.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "rank",
     .value = "R",
     .meaning = "to this rank's node",
     .fallback = "0",
     .example = "--rank 3"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun port-forward 42 8888", "http://127.0.0.1:8888 here is port 8888 of the job"},
    {"devrun port-forward 42 9000:8888 6006", "8888 as 9000, and 6006 as itself"}};

struct PortPair {
  uint16_t local = 0;
  uint16_t remote = 0;
};

struct ForwardWish {
  AttemptKey key;
  std::vector<PortPair> ports;
  bool quiet = false;
};

Result<uint16_t> parse_port(std::string_view text, bool any) {
  const auto port = parse_number<uint16_t>(text);
  if (port && (*port != 0 || any)) return *port;
  return Error{Code::kInvalid, fmt::format("'{}' is not a port from 1 to 65535", text), {}};
}

Result<PortPair> parse_pair(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    const uint16_t port = TRY(parse_port(text, false));
    return PortPair{port, port};
  }
  return PortPair{TRY(parse_port(text.substr(0, colon), true)),
                  TRY(parse_port(text.substr(colon + 1), false))};
}

// Those that its task file names.
Result<std::vector<PortPair>> told_ports(Controller& controller, const AttemptKey& key) {
  constexpr size_t kPortsMax = 64;
  const JobRecord job = TRY(controller.get_job(key.task_key()));
  std::vector<PortPair> out;
  for (const PortRange& range : job.spec.ports) {
    for (uint32_t port = range.first; port <= range.last && out.size() < kPortsMax; ++port) {
      out.push_back({static_cast<uint16_t>(port), static_cast<uint16_t>(port)});
    }
  }
  if (!out.empty()) return out;
  return Error{Code::kInvalid, fmt::format("which port? Job {} names none", to_string(key)),
               fmt::format("devrun port-forward {} 8888", to_string(key))};
}

Result<int> forward(ForwardWish wish, Context& context) {
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  if (wish.ports.empty()) wish.ports = TRY(told_ports(*controller, wish.key));
  std::vector<ForwardedPort> ports;
  for (const PortPair& pair : wish.ports) {
    auto listener = listen_on_loopback(pair.local);
    if (!listener) {
      Error error = std::move(listener).error();
      if (error.code == Code::kExists) {
        error.hint = fmt::format("devrun port-forward {} 0:{}, which chooses a free one",
                                 to_string(wish.key), pair.remote);
      }
      return error;
    }
    ports.push_back({std::move(*listener), pair.remote});
  }
  for (const ForwardedPort& port : ports) {
    if (wish.quiet) break;
    context.console.say(fmt::format("127.0.0.1:{} is port {} of job {}",
                                    port_of(port.listener.get()), port.remote,
                                    to_string(wish.key)));
  }
  const std::string job = to_string(wish.key);
  const auto say_refused = [&](uint16_t port, int why) {
    if (wish.quiet) return;
    context.console.say(fmt::format("port {} of job {}: {}; said once", port, job,
                                    why == ECONNREFUSED ? "nothing listens there (yet)"
                                                        : std::string(std::strerror(why))),
                        "devrun logs " + job);
  };
  Status worked = ok();
  const Result<int> status = run_inner_session(
      *controller, context, signals, wish.key, {"ports"}, [&](InnerStreams streams) {
        worked =
            PortMux(streams.from_job.get(), streams.to_job.get(), std::move(ports), say_refused)
                .run();
      });
  if (!status) return status;
  // Its end is the job's, and so is its status.
  if (const auto ended = job_that_ended(*controller, wish.key.task_key(), *status)) {
    if (!wish.quiet) {
      context.console.say(has_ended_words(*ended) + ": nothing is forwarded any more",
                          fmt::format("devrun show {}; devrun logs {}", job, job));
    }
    return ended->ending ? exit_status(ended->state, *ended->ending) : kStatusDevrun;
  }
  if (!worked) return worked.error();
  return *status;
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes || arguments.words.empty()) {
    return Error{Code::kInvalid, "expected a job, and ports unless its task file names them", {}};
  }
  ForwardWish wish;
  wish.key = TRY(parse_attempt_key(arguments.words[0]));
  wish.key.rank = TRY(chosen_rank(arguments, wish.key)).value_or(wish.key.rank);
  for (size_t i = 1; i < arguments.words.size(); ++i) {
    wish.ports.push_back(TRY(parse_pair(arguments.words[i])));
  }
  wish.quiet = arguments.has("quiet");
  return Action([=](Context& context) { return forward(wish, context); });
}

}  // namespace

Command port_forward_command() {
  return {
      {.name = "port-forward",
       .usage = {"port-forward [--rank R] JOB [[L:]R…]"},
       .purpose = "TCP from here to a running job",
       .text = "Listens on 127.0.0.1, port L or else R (0: any), and connects to R on the "
               "loopback of the job's node\n"
               "for each connection, until Ctrl-C or the job's end, whose exit status it returns "
               "then. Without ports: those\n"
               "that the job's task file names. Outlives restarts of the controller.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
