#include "agent/gpu/found.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "common/model/gpu_names.h"

namespace devrun::gpu {

namespace {

using Json = nlohmann::json;

constexpr size_t kGpusMax = 256;
constexpr uint32_t kAmdLinks = 1000;  // each driver counts its groups from 1
constexpr size_t kWordsOfErrorMax = 200;

std::vector<GpuProcess> processes_of(const Json& in) {
  std::vector<GpuProcess> out;
  for (const Json& one : in) {
    out.push_back({one.at("pid").get<uint32_t>(), one.at("memory").get<int64_t>(),
                   one.at("program").get<std::string>()});
  }
  return out;
}

Facts facts_of(const Json& in) {
  Facts out;
  for (const Json& xid : in.value("xids", Json::array())) {
    out.xids.push_back({xid.at("code").get<uint32_t>(), xid.at("ago").get<int64_t>()});
  }
  out.missing = in.value("missing", "");
  out.listed = in.value("listed", true);
  if (!out.missing.empty()) return out;
  out.uncorrected_errors = in.at("uncorrected").get<uint64_t>();
  out.remap_failed = in.at("remap_failed").get<bool>();
  out.recovery = in.at("recovery").get<int>();
  return out;
}

FoundGpu gpu_of(const Json& in) {
  FoundGpu out;
  out.maker = in.at("maker").get<std::string>() == "AMD" ? Maker::kAmd : Maker::kNvidia;
  out.gpu.index = in.at("index").get<uint32_t>();
  out.gpu.uuid = in.at("uuid").get<std::string>();
  out.facts = facts_of(in);
  if (!out.facts.missing.empty()) return out;
  out.minor = in.at("minor").get<uint32_t>();
  out.gpu.name = in.at("name").get<std::string>();
  out.gpu.type = gpu_type_of(out.gpu.name);
  out.gpu.memory_bytes = in.at("memory").get<int64_t>();
  out.gpu.link = in.at("link").get<uint32_t>();
  if (out.maker == Maker::kAmd && out.gpu.link != 0) out.gpu.link += kAmdLinks;
  out.gpu.numa = static_cast<uint32_t>(std::max(-1, in.at("numa").get<int>()) + 1);
  out.busy_told = in.contains("busy");
  out.sample.busy_percent = std::min(100U, in.value("busy", 0U));
  out.sample.memory_bytes = in.at("used").get<int64_t>();
  out.sample.memory_total_bytes = out.gpu.memory_bytes;
  out.sample.temperature_c = in.at("temperature").get<uint32_t>();
  out.sample.power_mw = in.at("power_mw").get<uint32_t>();
  out.sample.processes = processes_of(in.at("processes"));
  return out;
}

// "NVIDIA A100-SXM4-40GB MIG 1g.5gb": what follows MIG.
std::string profile_of(const std::string& name) {
  constexpr std::string_view kMark = " MIG ";
  const size_t at = name.rfind(kMark);
  return at == std::string::npos ? "MIG" : name.substr(at + kMark.size());
}

FoundGpu slice_of(const FoundGpu& whole, const Json& in) {
  FoundGpu out = whole;
  out.parent = whole.gpu.uuid;
  out.gpu.slice_of = whole.gpu.index;
  out.gpu.index = in.at("number").get<uint32_t>();
  out.gpu.uuid = in.at("uuid").get<std::string>();
  out.gpu.name = in.at("name").get<std::string>();
  out.gpu.slice = profile_of(out.gpu.name);
  out.gpu.type = whole.gpu.type + "-" + out.gpu.slice;
  out.gpu.link = 0;
  if (in.contains("missing")) {
    out.facts.missing = in.at("missing").get<std::string>();
    out.gpu.memory_bytes = 0;
    out.sample = {};
    return out;
  }
  out.gpu.memory_bytes = in.at("memory").get<int64_t>();
  out.gpu_instance = in.at("gpu_instance").get<uint32_t>();
  out.compute_instance = in.at("compute_instance").get<uint32_t>();
  out.sample.memory_bytes = in.at("used").get<int64_t>();
  out.sample.memory_total_bytes = out.gpu.memory_bytes;
  out.sample.processes = processes_of(in.at("processes"));
  return out;
}

}  // namespace

Result<FoundRound> parse_round(std::string_view line) {
  const Error corrupt{
      Code::kCorrupt, fmt::format("devrun-gpus says '{}'", line.substr(0, kWordsOfErrorMax)), {}};
  try {  // the library's way to say what is wrong
    const Json in = Json::parse(line);
    FoundRound out;
    out.driver =
        fmt::format("{}", fmt::join(in.at("drivers").get<std::vector<std::string>>(), "; "));
    for (const Json& one : in.at("gpus")) {
      FoundGpu found = gpu_of(one);
      const bool sliced = one.value("sliced", false);
      for (const Json& slice : one.value("slices", Json::array())) {
        out.gpus.push_back(slice_of(found, slice));
      }
      if (out.gpus.size() > kGpusMax) return corrupt;
      if (sliced && !one.at("slices").empty()) continue;
      found.facts.sliced = sliced;
      out.gpus.push_back(std::move(found));
    }
    return out;
  } catch (const Json::exception&) {
    return corrupt;
  }
}

std::vector<std::string> probe_words(const std::string& program, const std::string& driver_root,
                                     const std::vector<std::string>& more) {
  std::vector<std::string> out{program};
  out.insert(out.end(), more.begin(), more.end());
  if (driver_root != "/") out.insert(out.end(), {"--root", driver_root});
  return out;
}

std::vector<FoundGpu> share_of(const std::vector<FoundGpu>& all, uint32_t part, uint32_t parts) {
  std::vector<FoundGpu> out;
  for (const FoundGpu& found : all) {
    const uint32_t number = found.gpu.slice.empty() ? found.gpu.index : found.gpu.slice_of;
    if (number % parts == part - 1) out.push_back(found);
  }
  return out;
}

}  // namespace devrun::gpu
