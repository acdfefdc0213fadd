#include "agent/sync/flags.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "common/base/parse_number.h"
#include "common/base/units.h"
#include "common/model/labels.h"

namespace devrun::agent {

const std::string_view kUsage =
    "usage: devrun-agent --name NODE --state DIR --controller HOST:PORT --ca FILE --cert FILE "
    "--key FILE --shim PROGRAM\n"
    "         [--address ADDRESS] [--devrun PROGRAM] [--keeper SOCKET] [--fs SOCKET] [--live DIR "
    "--dev-containers]\n"
    "         [--cpus N] [--memory SIZE] [--pool POOL]… [--label K=V]… [--resource NAME:N]… "
    "[--cgroup NAME] [--nfs ADDRESS:PORT]\n"
    "         [--gpus PROGRAM [--gpu-root DIR] [--gpu-share K/N] [--gpu-device N|UUID]…] "
    "[--output-max SIZE] [--scratch "
    "SIZE]\n"
    "         [--live-keeper SOCKET] [--site-mount SRC:DST[:ro][:mapped-ids|:container-ids]]… "
    "[--shared-folder "
    "DIR] "
    "[--node-paths-bytes SIZE] "
    "[--report-every SPAN] [--leave-on-stop SPAN] [--leaves-at UNIX-SECONDS]\n";

namespace {

constexpr int64_t kScratchBytesMin = 16 << 20;

Result<int64_t> parse_cpus(const std::string& text) {
  double cpus = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), cpus);
  if (failed != std::errc{} || end != text.data() + text.size() || cpus <= 0 || cpus > 100'000) {
    return Error{
        Code::kInvalid, "--cpus " + text + ": expected a number of cores, as 4 or 0.5", {}};
  }
  return static_cast<int64_t>(cpus * 1000);
}

// K/N
Status parse_share(const std::string& text, Flags& flags) {
  const char* last = text.data() + text.size();
  const auto part = std::from_chars(text.data(), last, flags.gpu_part);
  const bool slash = part.ec == std::errc{} && part.ptr != last && *part.ptr == '/';
  const auto parts = slash ? std::from_chars(part.ptr + 1, last, flags.gpu_parts) : part;
  if (slash && parts.ec == std::errc{} && parts.ptr == last && flags.gpu_part >= 1 &&
      flags.gpu_part <= flags.gpu_parts) {
    return ok();
  }
  return Error{Code::kInvalid, "--gpu-share " + text + ": expected K/N, as 1/3", {}};
}

Status parse_label(const std::string& text, Flags& flags) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  if (equals == std::string::npos || !is_label_word(key) ||
      !is_label_word(text.substr(equals + 1))) {
    return Error{Code::kInvalid, "--label " + text + ": expected KEY=VALUE, as zone=b", {}};
  }
  flags.labels[key] = text.substr(equals + 1);
  return ok();
}

// NAME:N
Status parse_resource(const std::string& text, Flags& flags) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto amount =
      colon == std::string::npos ? std::nullopt : parse_number<int64_t>(text.substr(colon + 1));
  if (!is_label_word(name) || !amount || *amount < 0) {
    return Error{Code::kInvalid, "--resource " + text + ": expected NAME:N, as fpga:2", {}};
  }
  flags.extras[name] = *amount;
  return ok();
}

Result<Time> parse_moment(const std::string& text) {
  const auto at = parse_number<int64_t>(text);
  if (at && *at > 0 && *at < INT64_MAX / 1'000'000) return Time{*at * 1'000'000};
  return Error{
      Code::kInvalid,
      fmt::format("--leaves-at {}: expected seconds since 1970, as `date +%s` prints them", text),
      {}};
}

Result<int64_t> parse_scratch(const std::string& text) {
  const int64_t bytes = TRY(parse_size(text));
  if (bytes == 0 || bytes >= kScratchBytesMin) return bytes;
  return Error{Code::kInvalid,
               fmt::format("--scratch {}: expected {} or more, or 0 for no limit", text,
                           format_size(kScratchBytesMin)),
               {}};
}

// SRC:DST, and after it :ro, and :mapped-ids or :container-ids
Result<sandbox::SiteMount> parse_site_mount(const std::string& text) {
  const Error bad{
      Code::kInvalid,
      fmt::format("--site-mount {}: expected SRC:DST, both absolute paths, and perhaps :ro, then "
                  ":mapped-ids or :container-ids",
                  text),
      {}};
  sandbox::SiteMount out;
  std::string rest = text;
  const auto take = [&rest](std::string_view word) {
    if (!rest.ends_with(word)) return false;
    rest.resize(rest.size() - word.size());
    return true;
  };
  if (take(":container-ids")) out.ids = sandbox::SiteMount::Ids::kContainer;
  if (take(":mapped-ids")) out.ids = sandbox::SiteMount::Ids::kMapped;
  out.read_only = take(":ro");
  const size_t colon = rest.find(':');
  if (colon == std::string::npos) return bad;
  out.source = rest.substr(0, colon);
  out.target = rest.substr(colon + 1);
  if (out.target.find(':') != std::string::npos) return bad;
  if (!is_plain_path(out.source) || !is_plain_path(out.target) || out.target == "/") return bad;
  const Status checked = check_path_rule({out.target, {}, PathKind::kLive});
  if (!checked) return bad;
  return out;
}

Status check(const Flags& flags) {
  const std::vector<std::pair<std::string_view, const std::string*>> needed = {
      {"--name", &flags.name}, {"--state", &flags.state},      {"--controller", &flags.controller},
      {"--ca", &flags.ca},     {"--cert", &flags.certificate}, {"--key", &flags.key},
      {"--shim", &flags.shim}};
  for (const auto& [name, value] : needed) {
    if (value->empty()) return Error{Code::kInvalid, fmt::format("{} is missing", name), {}};
  }
  if (flags.dev_containers && flags.live.empty()) {
    return Error{Code::kInvalid, "--dev-containers needs --live, the folder of the volumes", {}};
  }
  if (!flags.dev_containers && flags.fs.empty()) {
    return Error{Code::kInvalid, "--fs, devrun-fs's socket, is missing", {}};
  }
  if (flags.report_every < milliseconds(10)) {
    return Error{Code::kInvalid, "--report-every: expected 10ms or more", {}};
  }
  return ok();
}

}  // namespace

Result<Flags> parse_flags(const std::vector<std::string>& words) {
  Flags flags;
  const std::map<std::string_view, std::string*> texts = {{"--name", &flags.name},
                                                          {"--address", &flags.address},
                                                          {"--state", &flags.state},
                                                          {"--controller", &flags.controller},
                                                          {"--ca", &flags.ca},
                                                          {"--cert", &flags.certificate},
                                                          {"--key", &flags.key},
                                                          {"--keeper", &flags.keeper},
                                                          {"--fs", &flags.fs},
                                                          {"--live", &flags.live},
                                                          {"--cgroup", &flags.cgroup},
                                                          {"--shim", &flags.shim},
                                                          {"--devrun", &flags.devrun},
                                                          {"--gpus", &flags.gpus},
                                                          {"--gpu-root", &flags.driver_root},
                                                          {"--shared-folder", &flags.shared_folder},
                                                          {"--live-keeper", &flags.live_keeper},
                                                          {"--nfs", &flags.nfs}};
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help") {
      flags.help = true;
      return flags;
    }
    if (word == "--dev-containers") {
      flags.dev_containers = true;
      continue;
    }
    const auto text = texts.find(word);
    const std::string_view others[] = {
        "--cpus",         "--memory",     "--pool",          "--gpu-share",        "--output-max",
        "--report-every", "--scratch",    "--site-mount",    "--node-paths-bytes", "--label",
        "--resource",     "--gpu-device", "--leave-on-stop", "--leaves-at"};
    if (text == texts.end() && std::count(std::begin(others), std::end(others), word) == 0) {
      return Error{Code::kInvalid, "unknown flag " + word, "devrun-agent --help"};
    }
    if (++i == words.size())
      return Error{Code::kInvalid, word + " needs a value", "devrun-agent --help"};
    if (text != texts.end()) {
      *text->second = words[i];
    } else if (word == "--cpus") {
      flags.cpu_milli = TRY(parse_cpus(words[i]));
    } else if (word == "--gpu-share") {
      TRY(parse_share(words[i], flags));
    } else if (word == "--output-max") {
      flags.output_bytes_max = TRY(parse_size(words[i]));
    } else if (word == "--memory") {
      flags.memory_bytes = TRY(parse_size(words[i]));
    } else if (word == "--scratch") {
      flags.scratch_bytes = TRY(parse_scratch(words[i]));
    } else if (word == "--site-mount") {
      flags.site_mounts.push_back(TRY(parse_site_mount(words[i])));
    } else if (word == "--node-paths-bytes") {
      flags.node_paths_bytes = TRY(parse_size(words[i]));
    } else if (word == "--label") {
      TRY(parse_label(words[i], flags));
    } else if (word == "--resource") {
      TRY(parse_resource(words[i], flags));
    } else if (word == "--gpu-device") {
      flags.gpu_devices.push_back(words[i]);
    } else if (word == "--leave-on-stop") {
      flags.leave_grace = TRY(parse_duration(words[i]));
    } else if (word == "--leaves-at") {
      flags.leaves = TRY(parse_moment(words[i]));
    } else if (word == "--report-every") {
      flags.report_every = TRY(parse_duration(words[i]));
    } else {
      flags.pools.push_back(words[i]);
    }
  }
  TRY(check(flags));
  return flags;
}

}  // namespace devrun::agent
