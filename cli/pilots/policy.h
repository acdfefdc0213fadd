// What an administrator says of pilots: nodes that run inside Slurm allocations for as long as jobs of devrun want them
// (/etc/devrun/slurm.yaml; docs/slurm.md has each key). Plain values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun::pilots {

// One way to ask Slurm for a node.
struct Kind {
  std::string name;
  Resources has;  // whole cores
  Duration time;  // of the allocation
  std::vector<std::string> pools = {};
  std::map<std::string, std::string> labels = {};
  std::string partition = {}, account = {};  // empty: Slurm's default
  std::vector<std::string> options = {};     // further words for sbatch

  // The node that comes of it, as the scheduler will see it.
  NodeHello hello() const;
};

struct Policy {
  std::string prefix = "slurm";  // names of pilots: PREFIX-1, …, which are Slurm's job names too
  uint32_t max = 8;              // at once, waiting ones included
  uint32_t pending_max = 4;      // that wait for Slurm at once
  Duration idle_for = seconds(600);  // a pilot on which nothing ran for so long leaves
  Duration lead = seconds(300);      // before the end of an allocation: nothing new begins there
  Duration grace = seconds(15);      // for what runs in an allocation that ends
  Duration join_within =
      seconds(600);  // an allocation whose pilot has not joined by then is given back
  // An allocation that Slurm has lost sight of may still be alive somewhere: its jobs are given up only after its node has
  // been silent for so long. Longer than the controller's lease and its margin.
  Duration lost_after = seconds(1200);
  Duration poll_every = seconds(5);
  std::string programs = "/usr/bin";             // on Slurm's nodes
  std::string state = "/var/lib/devrun/pilots";  // likewise: on a disk of the node's own
  std::string log = "/var/log/devrun-%x.log";    // likewise, as sbatch --output has it
  std::string slurm = "/usr/bin";                // where sbatch, squeue, scancel and srun are, here
  std::vector<Kind> kinds;                       // the first that fits a job is asked for
};

}  // namespace devrun::pilots
