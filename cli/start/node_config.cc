#include "cli/start/node_config.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "common/base/parse_number.h"
#include "common/base/suggest.h"
#include "common/model/labels.h"
#include "common/model/path_rules.h"
#include "common/runtime/file.h"

namespace devrun::start {

namespace {

constexpr size_t kConfigBytesMax = 1 << 20;
constexpr int64_t kCacheBytesMin = 16 << 20;
constexpr int64_t kScratchBytesMin = 16 << 20;
constexpr int64_t kOutputBytesMin = 1 << 20;

// A size from `min` on; with `none`, 0 too.
std::optional<int64_t> size_from(ConfigReader& reader, const YAML::Node& node, int64_t min,
                                 const char* least, bool none) {
  const auto out = reader.size(node);
  if (!out || *out >= min || (none && *out == 0)) return out;
  reader.wrong(node, fmt::format("'{}' is too little: {} at least{}", node.Scalar(), least,
                                 none ? ", or 0" : ""));
  return std::nullopt;
}

std::optional<std::string> label_word(ConfigReader& reader, const YAML::Node& node) {
  auto out = reader.word(node);
  if (!out || is_label_word(*out)) return out;
  reader.wrong(node, fmt::format("'{}' is no label: letters, digits, '-', '_', '.' and '/', a "
                                 "letter or digit first",
                                 *out));
  return std::nullopt;
}

void read_cache(ConfigReader& reader, const YAML::Node& node, NodeSettings& out) {
  const auto size = [&](const YAML::Node& n) {
    set(out.cache_bytes, size_from(reader, n, kCacheBytesMin, "16M", true));
  };
  if (node.IsScalar()) return size(node);
  reader.map(node, {{"size", size}, {"folder", [&](const YAML::Node& n) {
                                       set(out.cache_folder, reader.path(n));
                                     }}});
}

void read_site_mount(ConfigReader& reader, const YAML::Node& node, NodeSettings& out) {
  SiteMountConfig mount;
  reader.map(node,
             {{"from", [&](const YAML::Node& n) { set(mount.from, reader.path(n)); }},
              {"to", [&](const YAML::Node& n) { set(mount.to, reader.path(n)); }},
              {"read_only", [&](const YAML::Node& n) { set(mount.read_only, reader.truth(n)); }},
              {"ids", [&](const YAML::Node& n) {
                 set(mount.ids, reader.word(n));
                 const std::string_view words[] = {"user", "mapped", "container"};
                 if (std::ranges::find(words, mount.ids) != std::end(words)) return;
                 const auto nearest = nearest_word(mount.ids, words);
                 reader.wrong(n, fmt::format("'{}' is not user, mapped or container{}", mount.ids,
                                             nearest ? fmt::format(": did you mean {}?", *nearest)
                                                     : std::string()));
               }}});
  if (!node.IsMap()) return;
  if (!node["from"]) reader.wrong(node, "'from', a folder of the node, is missing");
  if (mount.to.empty()) mount.to = mount.from;
  if (mount.to.empty()) return;
  const Status fits = mount.to == "/" ? Status(Error{Code::kInvalid, "'/' is the root itself", {}})
                                      : check_path_rule({mount.to, {}, PathKind::kLive});
  if (!fits) return reader.wrong(node, fits.error().message);
  if (mount.from.find(':') != std::string::npos || mount.to.find(':') != std::string::npos) {
    return reader.wrong(node, "a colon cannot be in the path of a site mount");
  }
  out.site_mounts.push_back(std::move(mount));
}

}  // namespace

std::optional<std::string> nfs_server(ConfigReader& reader, const YAML::Node& node) {
  auto out = reader.word(node);
  if (!out) return out;
  const std::string endpoint = out->substr(0, out->find('/'));
  const size_t colon = endpoint.rfind(':');
  in_addr address{};
  const bool fits = colon != std::string::npos &&
                    ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address) == 1 &&
                    parse_number<uint16_t>(endpoint.substr(colon + 1)).value_or(0) != 0 &&
                    address.s_addr != 0 && out->find(',') == std::string::npos;
  if (fits) return out;
  reader.wrong(node, fmt::format("'{}' is not ADDRESS:PORT or ADDRESS:PORT/EXPORT, as "
                                 "10.0.0.1:2049; an IPv4 address, not a name",
                                 *out));
  return std::nullopt;
}

ConfigReader::Fields settings_fields(ConfigReader& reader, NodeSettings& out) {
  return {
      {"cache", [&](const YAML::Node& n) { read_cache(reader, n, out); }},
      {"scratch",
       [&](const YAML::Node& n) {
         set(out.scratch_bytes, size_from(reader, n, kScratchBytesMin, "16M", true));
       }},
      {"output_max",
       [&](const YAML::Node& n) {
         set(out.output_bytes_max, size_from(reader, n, kOutputBytesMin, "1M", false));
       }},
      {"node_paths", [&](const YAML::Node& n) { set(out.node_paths_bytes, reader.size(n)); }},
      {"shared_folder", [&](const YAML::Node& n) { set(out.shared_folder, reader.path(n)); }},
      {"live", [&](const YAML::Node& n) { set(out.live, reader.path(n)); }},
      {"site_mounts",
       [&](const YAML::Node& n) {
         reader.list(n, [&](const YAML::Node& one) { read_site_mount(reader, one, out); });
       }},
      {"pools",
       [&](const YAML::Node& n) {
         reader.list(n, [&](const YAML::Node& one) {
           if (auto pool = reader.word(one)) out.pools.push_back(*pool);
         });
       }},
      {"labels",
       [&](const YAML::Node& n) {
         reader.names(n, [&](const YAML::Node& key, const YAML::Node& value) {
           const auto name = label_word(reader, key);
           const auto text = label_word(reader, value);
           if (name && text) out.labels[*name] = *text;
         });
       }},
      {"report_every", [&](const YAML::Node& n) { set(out.report_every, reader.span(n)); }},
      {"gpus", [&](const YAML::Node& n) { set(out.gpus, reader.truth(n)); }},
      {"gpu_root", [&](const YAML::Node& n) { set(out.gpu_root, reader.path(n)); }},
      {"gpu_devices",
       [&](const YAML::Node& n) {
         reader.list(n, [&](const YAML::Node& one) {
           if (auto device = reader.word(one)) out.gpu_devices.push_back(*device);
         });
       }},
      {"leave_on_stop", [&](const YAML::Node& n) { set(out.leave_on_stop, reader.span(n)); }},
  };
}

Result<NodeConfig> parse_node_config(const std::string& text, const std::string& file) {
  ConfigReader reader(file);
  NodeConfig out;
  const YAML::Node root = reader.load(text);
  if (!root.IsNull()) {
    ConfigReader::Fields fields = {
        {"name",
         [&](const YAML::Node& n) {
           set(out.name, label_word(reader, n));
           if (out.name.find('/') != std::string::npos) reader.wrong(n, "a name has no '/'");
         }},
        {"address", [&](const YAML::Node& n) { set(out.address, reader.host(n)); }},
        {"controller",
         [&](const YAML::Node& n) { set(out.controller, reader.endpoint(n, false)); }},
        {"nfs",
         [&](const YAML::Node& n) {
           const auto add = [&](const YAML::Node& one) {
             if (auto server = nfs_server(reader, one)) out.nfs.push_back(*server);
           };
           if (n.IsSequence()) return reader.list(n, add);
           add(n);
         }},
        {"state", [&](const YAML::Node& n) { set(out.state, reader.path(n)); }},
        {"cpus", [&](const YAML::Node& n) { set(out.cpu_milli, reader.cores(n)); }},
        {"memory", [&](const YAML::Node& n) { set(out.memory_bytes, reader.size(n)); }},
        {"leaves_at",
         [&](const YAML::Node& n) { set(out.leaves_at, reader.count(n, 1, int64_t{1} << 40)); }},
        {"resources",
         [&](const YAML::Node& n) {
           reader.names(n, [&](const YAML::Node& key, const YAML::Node& value) {
             const auto name = label_word(reader, key);
             const auto amount = reader.count(value, 0, int64_t{1} << 40);
             if (name && amount) out.resources[*name] = *amount;
           });
         }},
    };
    for (auto& field : settings_fields(reader, out.settings)) fields.push_back(std::move(field));
    reader.map(root, fields);
    const auto need = [&](const char* key, const char* example) {
      if (root.IsMap() && !root[key]) reader.missing(key, example);
    };
    need("name", "name: node7");
    need("address", "address: 10.0.0.17, where the other nodes reach this one");
    need("controller", "controller: ctl.example.org:7443");
    need("nfs", "nfs: 10.0.0.1:2049");
  }
  TRY(reader.status());
  return out;
}

Result<NodeConfig> read_node_config(const std::string& file) {
  Result<std::string> text = read_file(file, kConfigBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, fmt::format("{} is not there: this machine is no node yet", file),
                 "devrun nodes add NAME on the controller's machine, and here the line that it "
                 "prints"};
  }
  return parse_node_config(TRY(std::move(text)), file);
}

}  // namespace devrun::start
