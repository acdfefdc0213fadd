// The readers of groups of fields, one file each (see task_file.h). Each takes what it can and reports
// the rest.
#pragma once

#include <vector>

#include "cli/launch/field_reader.h"
#include "cli/launch/task_file.h"

namespace devrun::launch {

Task read_task(Report& report, const Node& document);

std::vector<Variable> read_envs(Report& report, const Node& node);
std::vector<Variable> read_secrets(Report& report, const Node& node);
// All texts below `secrets`, whatever their form.
void collect_secrets(const Node& document, Redactions& out);

std::vector<ResourceRequest> read_resources(Report& report, const Node& node);
// "H100:8", as a list item or `--gpus` has it; nothing if it is no such thing.
std::optional<GpuRequest> parse_gpu(std::string_view text);
std::vector<GpuRequest> read_gpus(Report& report, const std::string& field, const Node& node);
std::vector<FileMount> read_file_mounts(Report& report, const Node& node);
std::vector<VolumeMount> read_volumes(Report& report, const Node& node);
Service read_service(Report& report, const Entry& entry);
std::vector<PortRange> read_ports(Report& report, const std::string& field, const Node& node);
Sweep read_sweep(Report& report, const Entry& entry);
JobRecovery read_recovery(Report& report, const std::string& field, const Node& node);

}  // namespace devrun::launch
