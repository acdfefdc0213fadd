// The configuration of a pilot's node (/etc/devrun/agent.yaml of an ordinary one): what the controller says of all nodes,
// and over it what the allocation has. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::pilots {

// As the batch script says it (slurm_text.h).
struct PilotOrder {
  uint64_t job = 0;  // Slurm's
  std::string name;
  std::string state;  // folder of all pilots of this machine
  int64_t cpus = 0;
  int64_t memory_bytes = 0;
  std::vector<std::string> gpus = {};  // by number or UUID; none: the allocation has none
  std::vector<std::string> pools = {};
  std::map<std::string, std::string> labels = {};
  Duration grace = seconds(15);
  Duration within = seconds(600);
  Time leaves = {};  // when its allocation ends; 0: nobody says
};
// Seconds since 1970, set by the batch script.
inline constexpr const char* kLeavesVariable = "DEVRUN_PILOT_LEAVES";
// `words`: those behind `devrun-slurm pilot`. `leaves`: that variable's value; what is no moment is passed over, since Slurm's
// time limit holds all the same.
Result<PilotOrder> parse_order(const std::vector<std::string>& words,
                               const std::string& leaves = {});

struct JoinedAs {
  std::string controller;  // HOST:PORT
  std::string address;     // where the other nodes reach this one
  std::string settings;    // YAML of the controller's: NFS servers and the node defaults
};
// agent.yaml. `state`: the folder of this pilot alone. Pools and labels are added to the defaults; the cache is kept for
// the next pilot.
Result<std::string> pilot_config(const PilotOrder& order, const JoinedAs& joined,
                                 const std::string& state);

}  // namespace devrun::pilots
