#include "cli/commands/run_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "cli/client/detach_keys.h"
#include "cli/commands/signal_names.h"
#include "common/base/parse_number.h"
#include "common/base/units.h"
#include "common/model/labels.h"
#include "common/model/limits.h"

namespace devrun::cli {

namespace {

constexpr uint32_t kNodesMax = 1024;
constexpr int64_t kCpuMilliMax = 1'000'000'000;
constexpr int32_t kGpusMax = 1024;
constexpr size_t kArrayRangesMax = 1000;
constexpr Duration kDisconnectGraceDefault = seconds(15);
constexpr size_t kRetryOnMax = 64;

Error bad_value(std::string_view text, std::string_view expected) {
  return {Code::kInvalid, fmt::format("'{}' is not {}", text, expected), {}};
}

Result<ArrayRange> parse_range(std::string_view text, std::string_view whole) {
  const Error bad = bad_value(
      whole, "a list of task numbers such as 0-99, 1,5,7-9 or 0-100:10, with %MAX after it");
  ArrayRange out;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const auto step = parse_number<int32_t>(text.substr(colon + 1));
    if (!step || *step < 1) return bad;
    out.step = *step;
    text = text.substr(0, colon);
  }
  const size_t dash = text.find('-');
  const auto first = parse_number<int32_t>(text.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : parse_number<int32_t>(text.substr(dash + 1));
  if (!first || !last || *first < 0 || *last < *first) return bad;
  out.first = *first;
  out.last = *last;
  return out;
}

// "--memory: 'x' is not …"
template <typename T>
Result<T> of(const Given& given, Result<T>&& value) {
  if (value) return std::move(value);
  return std::move(value).error().context(given.as_typed);
}

Result<uint32_t> parse_retries(const std::string& text) {
  const auto retries = parse_number<uint32_t>(text);
  if (retries && *retries <= kRetriesMax) return *retries;
  return bad_value(text, fmt::format("a number of further attempts from 0 to {}", kRetriesMax));
}

Result<uint32_t> parse_nodes(const std::string& text) {
  const auto nodes = parse_number<uint32_t>(text);
  if (nodes && *nodes >= 1 && *nodes <= kNodesMax) return *nodes;
  return bad_value(text, fmt::format("a number of nodes from 1 to {}", kNodesMax));
}

Result<int32_t> parse_priority(const std::string& text) {
  if (const auto priority = parse_number<int32_t>(text)) return *priority;
  return bad_value(text, "a whole number");
}

Result<JobId> parse_job(const std::string& text) {
  const AttemptKey key = TRY(parse_attempt_key(text));
  if (key.task != kNoTask || key.attempt != 1 || key.rank != 0) {
    return bad_value(text, "a whole job, such as 42: of an array all tasks are waited for");
  }
  return key.job;
}

// V, or V@S: what is after the @ goes into `snapshot`.
Result<std::string> parse_volume(const std::string& text, std::string& snapshot) {
  const size_t at = text.find('@');
  if (at == std::string::npos) return text;
  snapshot = text.substr(at + 1);
  if (at == 0 || snapshot.empty()) {
    return Error{
        Code::kInvalid, fmt::format("'{}': expected VOLUME@SNAPSHOT, such as ada@12", text), {}};
  }
  return text.substr(0, at);
}

Result<std::string> not_empty(const std::string& text, std::string_view what) {
  if (text.empty()) return bad_value(text, what);
  return text;
}

Result<std::string> parse_name(const std::string& text) {
  if (!text.empty() && !has_control_characters(text)) return text;
  return Error{
      Code::kInvalid,
      text.empty() ? "'' is not a name" : "a name is one line of text, without control characters",
      {}};
}

Result<std::optional<Duration>> parse_on_disconnect(const std::string& text) {
  if (text == "keep") return std::optional<Duration>();
  if (text == "cancel") return std::optional<Duration>(kDisconnectGraceDefault);
  constexpr std::string_view kCancel = "cancel:";
  if (!text.starts_with(kCancel)) return bad_value(text, "keep, cancel or cancel:SPAN");
  const Duration grace = TRY(parse_duration(text.substr(kCancel.size())));
  if (grace >= kDisconnectGraceDefault) return std::optional<Duration>(grace);
  return bad_value(text, "15s or more: a connection may break for a moment");
}

Result<int64_t> parse_gpu_memory(const std::string& text) {
  const int64_t bytes = TRY(parse_size(text));
  if (bytes > 0) return bytes;
  return bad_value(text, "an amount of memory such as 40G");
}

Result<std::pair<std::string, int64_t>> parse_resource(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto amount = colon == std::string::npos ? std::optional<int64_t>(1)
                                                 : parse_number<int64_t>(text.substr(colon + 1));
  if (is_label_word(name) && amount && *amount > 0) return std::pair(name, *amount);
  return bad_value(text, "a name, and how many of it, such as fpga:2");
}

Result<std::pair<std::string, std::string>> parse_label(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  if (equals != std::string::npos && is_label_word(key) && is_label_word(text.substr(equals + 1))) {
    return std::pair(key, text.substr(equals + 1));
  }
  return bad_value(text, "KEY=VALUE, each of 1 to 63 letters, digits, '-', '_', '.' and '/'");
}

}  // namespace

Status read_placement(const Given& given, RunOptions& out) {
  const std::string_view name = given.option->name;
  const std::string& value = given.value;
  if (name == "gpus") {
    const Resources gpus = TRY(of(given, parse_gpus(value)));
    out.per_node.gpus = gpus.gpus;
    out.per_node.gpu_milli = gpus.gpu_milli;
    out.per_node.gpu_type = gpus.gpu_type;
  }
  if (name == "cpus") out.per_node.cpu_milli = TRY(of(given, parse_cpus(value)));
  if (name == "memory") out.per_node.memory_bytes = TRY(of(given, parse_memory(value)));
  if (name == "nodes") out.nodes = TRY(of(given, parse_nodes(value)));
  if (name == "pool") out.pool = TRY(of(given, not_empty(value, "the name of a pool")));
  if (name == "priority") out.priority = TRY(of(given, parse_priority(value)));
  if (name == "time") out.time_limit = TRY(of(given, parse_time_limit(value)));
  if (name == "retries") out.retries = TRY(of(given, parse_retries(value)));
  if (name == "retry-on") out.retry_on = TRY(of(given, parse_statuses(value)));
  if (name == "signal") {
    const WarnText warn = TRY(of(given, parse_warn(value)));
    out.warn_signal = warn.signal;
    out.warn_before = warn.before;
  }
  if (name == "after") out.after.push_back(TRY(of(given, parse_job(value))));
  if (name == "after-fail") out.after_fail.push_back(TRY(of(given, parse_job(value))));
  if (name == "gpu-memory") out.per_node.gpu_memory_bytes = TRY(of(given, parse_gpu_memory(value)));
  if (name == "resource") {
    const auto [extra, amount] = TRY(of(given, parse_resource(value)));
    out.per_node.extras[extra] = amount;
  }
  if (name == "node-label") {
    const auto [key, wanted] = TRY(of(given, parse_label(value)));
    out.node_labels[key] = wanted;
  }
  if (name == "after-ok") out.after_ok.push_back(TRY(of(given, parse_job(value))));
  if (name == "array") {
    ArrayText array = TRY(of(given, parse_array(value)));
    out.array = std::move(array.ranges);
    out.array_running_max = array.running_max;
  }
  return ok();
}

namespace {

Status read_manner(const Given& given, RunOptions& out) {
  const std::string_view name = given.option->name;
  if (name == "volume") out.volume = TRY(of(given, parse_volume(given.value, out.snapshot)));
  if (name == "name") out.name = TRY(of(given, parse_name(given.value)));
  if (name == "chdir") out.folder = TRY(of(given, not_empty(given.value, "a directory")));
  if (name == "detach-keys") out.detach_keys = TRY(of(given, parse_detach_keys(given.value)));
  if (name == "env")
    out.env.push_back(TRY(of(given, not_empty(given.value, "NAME or NAME=VALUE"))));
  if (name == "on-disconnect") {
    out.disconnect_grace = TRY(of(given, parse_on_disconnect(given.value)));
  }
  if (name == "label") {
    const auto [key, wanted] = TRY(of(given, parse_label(given.value)));
    out.labels[key] = wanted;
  }
  if (name == "live") out.live.push_back(TRY(of(given, not_empty(given.value, "a folder"))));
  if (name == "keep") out.keep = true;
  if (name == "discard") out.discard = true;
  if (name == "fresh") out.fresh = true;
  if (name == "detach") out.detach = true;
  if (name == "no-stdin") out.no_stdin = true;
  if (name == "tty") out.tty = TtyChoice::kAlways;
  if (name == "no-tty") out.tty = TtyChoice::kNever;
  if (name == "json") out.json = true;
  if (name == "wait-for-controller") out.wait_for_controller = true;
  if (name == "quiet") out.quiet = true;
  return ok();
}

Status check_together(const RunOptions& options) {
  const auto wrong = [](std::string_view message) {
    return Error{Code::kInvalid, std::string(message), {}};
  };
  if (options.command.empty())
    return wrong("no program is named: expected devrun [OPTIONS] CMD [ARG…]");
  if (options.command[0].empty()) return wrong("the program's name is empty");
  if (options.detach && options.tty == TtyChoice::kAlways)
    return wrong("-t and -d do not go together");
  if (options.disconnect_grace && options.detach)
    return wrong(
        "--on-disconnect cancel and -d do not go together: there is no connection to lose");
  if (options.json && !options.detach)
    return wrong("--json needs -d: without it stdout is the program's");
  if (!options.array.empty() && !options.detach)
    return wrong("--array needs -d: its tasks have no common stdout");
  if (options.per_node.gpus == 0 && options.per_node.gpu_memory_bytes != 0)
    return wrong("--gpu-memory needs --gpus N");
  if (options.retries == 0 && !options.retry_on.empty())
    return wrong("--retry-on needs --retries N");
  if (options.retries == 0 && options.fresh)
    return wrong("--fresh needs --retries N: a first attempt has nothing before it");
  if (options.keep && options.discard)
    return wrong("--keep and --discard do not go together: kept, or thrown away?");
  if (options.retries > 0 && options.tty == TtyChoice::kAlways)
    return wrong(
        "-t and --retries do not go together: a job that may be run again has no terminal");
  if (options.warn_signal != 0 && options.time_limit.us == 0)
    return wrong("--signal needs --time: it is sent before the time limit");
  if (options.warn_signal != 0 && options.warn_before > options.time_limit)
    return wrong("--signal: it would have to be sent before the job begins");
  return ok();
}

}  // namespace

Result<int64_t> parse_memory(const std::string& text) {
  const int64_t bytes = TRY(parse_size(text));
  if (bytes >= kMemoryBytesMin) return bytes;
  const bool no_unit = text.find_first_not_of("0123456789") == std::string::npos;
  return Error{Code::kInvalid,
               fmt::format("'{}' is less than {}, the least that a job can have{}", text,
                           format_size(kMemoryBytesMin),
                           no_unit && bytes > 0 ? fmt::format(", did you mean {}G?", text) : ""),
               {}};
}

Result<Duration> parse_time_limit(const std::string& text) {
  const Duration limit = TRY(parse_duration(text));
  if (limit.us > 0) return limit;
  return Error{Code::kInvalid,
               fmt::format("'{}' leaves the job no time; without --time there is no limit", text),
               {}};
}

Result<int64_t> parse_cpus(std::string_view text) {
  double cores = 0;
  const auto [end, failed] =
      std::from_chars(text.data(), text.data() + text.size(), cores, std::chars_format::fixed);
  const bool whole = failed == std::errc{} && end == text.data() + text.size();
  const double milli = cores * 1000;
  if (!whole || !(milli >= 1) || milli > static_cast<double>(kCpuMilliMax)) {
    return bad_value(text, "a number of cores such as 2 or 0.5");
  }
  return static_cast<int64_t>(milli + 0.5);
}

Result<Resources> parse_gpus(std::string_view text) {
  const size_t colon = text.find(':');
  auto count = parse_number<int32_t>(text.substr(0, colon));
  Resources out;
  // A part of one, by thousandths.
  const auto part = count ? std::nullopt : parse_number<double>(text.substr(0, colon));
  if (part && *part > 0 && *part < 1) {
    out.gpu_milli = std::clamp(static_cast<int32_t>(*part * 1000 + 0.5), 1, 999);
    count = 1;
  }
  if (colon != std::string_view::npos) out.gpu_type = text.substr(colon + 1);
  const bool empty_type = colon != std::string_view::npos && out.gpu_type.empty();
  if (!count || *count < 0 || *count > kGpusMax || empty_type) {
    Error bad = bad_value(text, "a number of GPUs such as 2, 2:a100 or 0.5");
    // In task files the type comes first.
    const auto turned = parse_number<int32_t>(out.gpu_type);
    if (colon != std::string_view::npos && colon > 0 && turned && *turned > 0) {
      bad.message += fmt::format(", did you mean {}:{}?", *turned, text.substr(0, colon));
    }
    return bad;
  }
  out.gpus = *count;
  return out;
}

Result<std::vector<int32_t>> parse_statuses(std::string_view text) {
  std::vector<int32_t> out;
  std::string_view rest = text;
  for (;;) {
    const size_t comma = rest.find(',');
    const auto status = parse_number<int32_t>(rest.substr(0, comma));
    if (!status || *status < 1 || *status > 255 || out.size() == kRetryOnMax)
      return bad_value(text, "a list of exit statuses from 1 to 255 such as 75,137");
    out.push_back(*status);
    if (comma == std::string_view::npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

Result<WarnText> parse_warn(std::string_view text) {
  const size_t at = text.find('@');
  if (at == std::string_view::npos) {
    return bad_value(text, "a signal and how long before the limit, such as TERM@60 or USR1@2m");
  }
  WarnText out;
  out.signal = TRY(parse_signal(text.substr(0, at)));
  const std::string_view span = text.substr(at + 1);
  const auto plain_seconds = parse_number<uint32_t>(span);
  out.before = plain_seconds ? seconds(*plain_seconds) : TRY(parse_duration(span));
  if (out.before.us <= 0) return bad_value(text, "a time before the limit, such as TERM@60");
  return out;
}

Result<ArrayText> parse_array(std::string_view text) {
  ArrayText out;
  std::string_view ranges = text;
  const size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    const auto most = parse_number<uint32_t>(text.substr(percent + 1));
    if (!most || *most < 1)
      return bad_value(text.substr(percent), "a number of tasks at a time such as %10");
    out.running_max = *most;
    ranges = text.substr(0, percent);
  }
  for (;;) {
    const size_t comma = ranges.find(',');
    out.ranges.push_back(TRY(parse_range(ranges.substr(0, comma), text)));
    if (out.ranges.size() > kArrayRangesMax)
      return bad_value(text, fmt::format("at most {} ranges", kArrayRangesMax));
    if (comma == std::string_view::npos) return out;
    ranges.remove_prefix(comma + 1);
  }
}

Result<RunOptions> read_run_options(const Arguments& arguments) {
  RunOptions out;
  out.per_node.cpu_milli = 1000;
  out.detach_keys = TRY(parse_detach_keys(kDefaultDetachKeys));
  for (const Given& given : arguments.given) {
    TRY(read_placement(given, out));
    TRY(read_manner(given, out));
  }
  out.command = arguments.program;
  TRY(check_together(out));
  return out;
}

}  // namespace devrun::cli
