// What agent and shim say to each other, as values; the only file of this folder that knows the protobuf is shim_wire.cc.
// Kinds that a newer peer may add arrive as std::monostate and are ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "agent/shim/exit_record.h"
#include "agent/shim/shim_link.h"
#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::shim {

struct Peer {
  std::string program;
  std::string version;
};
struct StdinData {
  uint64_t offset = 0;
  std::string data;
  bool eof = false;
};
struct SignalOrder {
  int signal = 0;
  bool whole = false;  // KILL everything in the container
};
struct GoOrder {};  // the program may follow the setup step
struct FirstRankEndedOrder {};
struct LeaseOrder {
  Time until;  // on boot_clock()
};
using Request = std::variant<std::monostate, Peer, StdinData, TerminalSize, SignalOrder, GoOrder,
                             FirstRankEndedOrder, LeaseOrder>;

struct OutputGrew {
  uint64_t bytes = 0;
};
struct StdinTaken {
  uint64_t offset = 0;
};
struct StdinClosed {};
using News = std::variant<std::monostate, Peer, ShimState, OutputGrew, StdinTaken, StdinClosed>;

std::string encode(Request&& request);
std::string encode(const News& news);
Result<Request> parse_request(std::string_view bytes);
Result<News> parse_news(std::string_view bytes);

std::string encode(const ExitRecord& record);
Result<ExitRecord> parse_exit_record(std::string_view bytes);

}  // namespace devrun::shim
