#include "agent/gpu_probe/probe.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace devrun::gpu_probe {

namespace {

using Json = nlohmann::json;

Json json_of(const std::vector<Process>& processes) {
  Json out = Json::array();
  for (const Process& one : processes) {
    out.push_back({{"pid", one.pid}, {"memory", one.memory_bytes}, {"program", one.program}});
  }
  return out;
}

Json json_of(const Slice& slice) {
  if (!slice.missing.empty()) {
    return {{"number", slice.number},
            {"uuid", slice.uuid},
            {"name", slice.name},
            {"missing", slice.missing}};
  }
  return {{"number", slice.number},
          {"uuid", slice.uuid},
          {"name", slice.name},
          {"memory", slice.memory_bytes},
          {"used", slice.used_bytes},
          {"gpu_instance", slice.gpu_instance},
          {"compute_instance", slice.compute_instance},
          {"processes", json_of(slice.processes)}};
}

Json json_of(const Device& device) {
  Json out = {{"maker", device.maker}, {"index", device.index}, {"uuid", device.uuid}};
  if (!device.xids.empty()) out["xids"] = Json::array();
  for (const Xid& xid : device.xids) {
    out["xids"].push_back({{"code", xid.code}, {"ago", xid.seconds_ago}});
  }
  if (!device.missing.empty()) {
    out["missing"] = device.missing;
    if (!device.listed) out["listed"] = false;
    return out;
  }
  out["name"] = device.name;
  out["bus"] = device.bus;
  out["minor"] = device.minor;
  out["link"] = device.link;
  out["numa"] = device.numa;
  out["memory"] = device.memory_bytes;
  out["used"] = device.used_bytes;
  if (device.busy_percent >= 0) out["busy"] = device.busy_percent;
  out["temperature"] = device.temperature_c;
  out["power_mw"] = device.power_mw;
  out["uncorrected"] = device.uncorrected_errors;
  out["remap_failed"] = device.remap_failed;
  out["recovery"] = device.recovery;
  out["processes"] = json_of(device.processes);
  out["sliced"] = device.sliced;
  out["slices"] = Json::array();
  for (const Slice& slice : device.slices) out["slices"].push_back(json_of(slice));
  return out;
}

}  // namespace

std::string to_json(const Round& round) {
  Json out = {{"drivers", round.drivers}, {"gpus", Json::array()}};
  for (const Device& device : round.devices) out["gpus"].push_back(json_of(device));
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string program_of(uint32_t pid) {
  return text_in("/proc/" + std::to_string(pid) + "/comm");
}

int64_t number_in(const std::string& path, int64_t otherwise) {
  std::ifstream file(path);
  int64_t out = 0;
  return file >> out ? out : otherwise;
}

}  // namespace devrun::gpu_probe
