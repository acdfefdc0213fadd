// What `devrun [OPTIONS] CMD…` asks for, from its options to a job's specification. Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/commands/arguments.h"
#include "cli/help/help.h"
#include "common/model/job.h"

namespace devrun::cli {

enum class TtyChoice { kIfTerminals, kAlways, kNever };

struct RunOptions {
  Resources per_node;
  uint32_t nodes = 1;
  std::string pool;
  std::string volume;
  std::string snapshot;  // an old one of the volume; empty: a new one
  std::string name;
  bool after_dashes = false;  // said to be a program's words
  bool detach = false;
  bool no_stdin = false;
  std::vector<std::string> env;  // K=V or K
  std::string folder;            // -C; empty: the current one
  TtyChoice tty = TtyChoice::kIfTerminals;
  Duration time_limit;
  int32_t priority = 0;
  uint32_t retries = 0;
  std::vector<int32_t> retry_on;
  int warn_signal = 0;
  Duration warn_before;
  bool wait_for_controller = false;
  bool json = false;
  bool quiet = false;
  std::vector<ArrayRange> array;
  uint32_t array_running_max = 0;
  std::vector<JobId> after = {};
  std::vector<JobId> after_ok;
  std::vector<JobId> after_fail = {};
  std::map<std::string, std::string> labels = {};
  std::map<std::string, std::string> node_labels = {};
  std::string detach_keys;  // bytes
  std::vector<std::string> command;
  std::optional<Duration> disconnect_grace = {};  // cancelled after so long alone; unset: kept
  std::vector<std::string> live = {};             // folders, as given
  bool keep = false;
  bool discard = false;
  bool fresh = false;
};

std::span<const Option> run_option_table();
Result<RunOptions> read_run_options(const Arguments& arguments);
// Of one option that says what a job needs, and where (--cpus, --pool, …); others change nothing.
Status read_placement(const Given& given, RunOptions& out);

// Single values, as they are written after their options.
struct ArrayText {
  std::vector<ArrayRange> ranges;
  uint32_t running_max = 0;
};
Result<ArrayText> parse_array(std::string_view text);  // 0-99[%MAX], 1,5,7-9, 0-100:10
Result<int64_t> parse_cpus(std::string_view text);     // thousandths
Result<int64_t> parse_memory(const std::string& text);
Result<Duration> parse_time_limit(const std::string& text);
Result<Resources> parse_gpus(std::string_view text);                 // N[:TYPE]
Result<std::vector<int32_t>> parse_statuses(std::string_view text);  // 75,137
struct WarnText {
  int signal = 0;
  Duration before;
};
Result<WarnText> parse_warn(std::string_view text);  // TERM@60, USR1@2m

}  // namespace devrun::cli
