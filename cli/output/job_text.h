// Jobs, volumes and nodes for people. `now` is an argument, so that texts can be compared in tests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/output/records.h"

namespace devrun::cli {

// How a list is shown on a terminal.
struct ListLook {
  bool colours = false;  // states are painted
  size_t columns =
      0;  // no line is longer; 0: lines of any length. Where they are few, some of the list's are left out
};
std::string jobs_text(const JobList& jobs, Time now, const ListLook& look = {});
std::string job_text(const JobRecord& job, Time now);
std::string volumes_text(const std::vector<VolumeRecord>& volumes, Time now);
// One in full, with its GPUs.
std::string node_text(const NodeRecord& node, Time now);
// Who has that GPU now.
std::optional<AttemptKey> node_gpu_holder(const NodeRecord& node, uint32_t index);
// What keeps the jobs of a node from going on, a line with what to try; empty: nothing.
std::string trouble_text(const NodeRecord& node, Time now);
std::string nodes_text(const std::vector<NodeRecord>& nodes, Time now);

// Why the job waits, or how it stands: the answer of `devrun explain`.
std::string explain_text(const JobRecord& job);

// "2026-07-01 12:30:05Z", the same on every machine.
std::string format_time(Time time);

// The last rank and attempt that have something to tell: what `logs` and the list show.
const AttemptRecord* newest_attempt(const JobRecord& job);

// The argument vector as a shell would take it.
std::string command_line(const std::vector<std::string>& argv);

}  // namespace devrun::cli
