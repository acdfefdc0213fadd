#include "agent/gpu/kept.h"

#include <nlohmann/json.hpp>

namespace devrun::gpu {

namespace {
using Json = nlohmann::json;
}

std::string kept_line(const FoundGpu& found) {
  Json out = {{"index", found.gpu.index},         {"uuid", found.gpu.uuid},
              {"name", found.gpu.name},           {"type", found.gpu.type},
              {"memory", found.gpu.memory_bytes}, {"link", found.gpu.link},
              {"numa", found.gpu.numa},           {"minor", found.minor},
              {"amd", found.maker == Maker::kAmd}};
  if (!found.gpu.slice.empty()) {
    out["slice"] = found.gpu.slice;
    out["slice_of"] = found.gpu.slice_of;
    out["parent"] = found.parent;
    out["instances"] = {found.gpu_instance, found.compute_instance};
  }
  if (!found.facts.missing.empty()) {
    out["missing"] = found.facts.missing;
    out["xids"] = Json::array();
    for (const Facts::Xid& xid : found.facts.xids) out["xids"].push_back(xid.code);
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<FoundGpu> gpu_of_line(std::string_view line) {
  try {  // the library's way to say what is wrong
    const Json in = Json::parse(line);
    FoundGpu out;
    out.gpu.index = in.at("index").get<uint32_t>();
    out.gpu.uuid = in.at("uuid").get<std::string>();
    out.gpu.name = in.at("name").get<std::string>();
    out.gpu.type = in.at("type").get<std::string>();
    out.gpu.memory_bytes = in.at("memory").get<int64_t>();
    out.gpu.link = in.at("link").get<uint32_t>();
    out.gpu.numa = in.at("numa").get<uint32_t>();
    out.minor = in.at("minor").get<uint32_t>();
    out.maker = in.at("amd").get<bool>() ? Maker::kAmd : Maker::kNvidia;
    out.gpu.slice = in.value("slice", "");
    if (!out.gpu.slice.empty()) {
      out.gpu.slice_of = in.at("slice_of").get<uint32_t>();
      out.parent = in.at("parent").get<std::string>();
      out.gpu_instance = in.at("instances").at(0).get<uint32_t>();
      out.compute_instance = in.at("instances").at(1).get<uint32_t>();
    }
    out.facts.missing = in.value("missing", "");
    for (const Json& code : in.value("xids", Json::array())) {
      out.facts.xids.push_back({code.get<uint32_t>(), 0});
    }
    out.sample.memory_total_bytes = out.gpu.memory_bytes;
    if (out.gpu.uuid.empty()) return std::nullopt;
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace devrun::gpu
