#include "cli/start/controller_config.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun::start {

namespace {

constexpr size_t kConfigBytesMax = 1 << 20;

// 10.0.0.0/24 or an address.
std::optional<std::string> network(ConfigReader& reader, const YAML::Node& node) {
  auto out = reader.word(node);
  if (!out) return out;
  const size_t slash = out->find('/');
  unsigned char bytes[16];
  const std::string address = out->substr(0, slash);
  const bool four = ::inet_pton(AF_INET, address.c_str(), bytes) == 1;
  const bool six = !four && ::inet_pton(AF_INET6, address.c_str(), bytes) == 1;
  const auto bits = slash == std::string::npos ? std::optional<int>(1)
                                               : parse_number<int>(out->substr(slash + 1));
  if ((four || six) && bits && *bits >= 1 && *bits <= (four ? 32 : 128)) return out;
  reader.wrong(node, fmt::format("'{}' is no network, as 10.0.0.0/24, and no address", *out));
  return std::nullopt;
}

bool is_loopback(const std::string& address) {
  return address == "::1" || address.starts_with("127.");
}

void read_nfs(ConfigReader& reader, const YAML::Node& node, NfsConfig& out) {
  reader.map(node, {{"listen",
                     [&](const YAML::Node& n) {
                       const auto endpoint = reader.endpoint(n, true);
                       if (!endpoint) return;
                       const size_t colon = endpoint->rfind(':');
                       out.listen_address = endpoint->substr(0, colon);
                       out.listen_port =
                           parse_number<uint16_t>(endpoint->substr(colon + 1)).value_or(0);
                       in_addr four{};
                       if (::inet_pton(AF_INET, out.listen_address.c_str(), &four) != 1) {
                         reader.wrong(
                             n, "expected an IPv4 address of this machine, or 0.0.0.0, and a port");
                       }
                     }},
                    {"networks",
                     [&](const YAML::Node& n) {
                       reader.list(n, [&](const YAML::Node& one) {
                         if (auto net = network(reader, one)) out.networks.push_back(*net);
                       });
                     }},
                    {"server", [&](const YAML::Node& n) {
                       const auto add = [&](const YAML::Node& one) {
                         if (auto server = nfs_server(reader, one)) out.servers.push_back(*server);
                       };
                       if (n.IsSequence()) return reader.list(n, add);
                       add(n);
                     }}});
  if (!node.IsMap()) return;
  if (!node["listen"] && !node["server"]) {
    reader.wrong(node,
                 "'listen' (devrun starts an NFS server) or 'server' (there is one) is missing");
  }
  if (node["listen"] && !out.listen_address.empty() && !is_loopback(out.listen_address) &&
      !node["networks"]) {
    reader.wrong(node,
                 "'networks', the nodes' addresses, is missing: whoever reaches the NFS "
                 "server reads every file in the store");
  }
  if (!node["listen"] && node["networks"]) {
    reader.wrong(node["networks"], "'networks' is about the server that devrun starts ('listen')");
  }
}

// A key of the file that is a flag of devrun-controller.
struct FlagKey {
  std::string_view key;
  const char* flag;
  enum Kind { kSpan, kCount } kind;
};
constexpr FlagKey kFlagKeys[] = {
    {"lease", "--lease", FlagKey::kSpan},
    {"lease_margin", "--lease-margin", FlagKey::kSpan},
    {"retry_pause", "--retry-pause", FlagKey::kSpan},
    {"retry_pause_max", "--retry-pause-max", FlagKey::kSpan},
    {"keep_in_memory", "--keep-in-memory", FlagKey::kSpan},
    {"ended_in_memory", "--ended-in-memory", FlagKey::kCount},
    {"keep_history_for", "--keep-history-for", FlagKey::kSpan},
    {"keep_snapshots", "--keep-snapshots", FlagKey::kCount},
    {"keep_snapshots_for", "--keep-snapshots-for", FlagKey::kSpan},
    {"keep_output_for", "--keep-output-for", FlagKey::kSpan},
    {"keep_jobs", "--keep-jobs", FlagKey::kCount},
    {"keep_jobs_for", "--keep-jobs-for", FlagKey::kSpan},
    {"collect_every", "--collect-every", FlagKey::kSpan},
    {"certificates_for", "--certificates-for", FlagKey::kSpan},
};

void add_flag_fields(ConfigReader& reader, ConfigReader::Fields& fields, ControllerConfig& out) {
  for (const FlagKey& one : kFlagKeys) {
    fields.push_back({one.key, [&reader, &out, &one](const YAML::Node& n) {
                        const bool fits = one.kind == FlagKey::kSpan
                                              ? reader.span(n).has_value()
                                              : reader.count(n, 0, int64_t{1} << 31).has_value();
                        if (!fits) return;
                        out.flags.insert(out.flags.end(), {one.flag, n.Scalar()});
                      }});
  }
}

}  // namespace

std::string ControllerConfig::port_of(const std::string& endpoint) const {
  return endpoint.substr(endpoint.rfind(':') + 1);
}

Result<ControllerConfig> parse_controller_config(const std::string& text, const std::string& file) {
  ConfigReader reader(file);
  ControllerConfig out;
  const YAML::Node root = reader.load(text);
  if (!root.IsNull()) {
    ConfigReader::Fields fields = {
        {"store", [&](const YAML::Node& n) { set(out.store, reader.path(n)); }},
        {"state", [&](const YAML::Node& n) { set(out.state, reader.path(n)); }},
        {"address", [&](const YAML::Node& n) { set(out.address, reader.host(n)); }},
        {"names",
         [&](const YAML::Node& n) {
           reader.list(n, [&](const YAML::Node& one) {
             if (auto name = reader.host(one)) out.names.push_back(*name);
           });
         }},
        {"listen", [&](const YAML::Node& n) { set(out.listen, reader.endpoint(n, true)); }},
        {"join",
         [&](const YAML::Node& n) {
           if (n.IsScalar() && n.Scalar() == "none") {
             out.join.clear();
           } else {
             set(out.join, reader.endpoint(n, true));
           }
         }},
        {"nfs", [&](const YAML::Node& n) { read_nfs(reader, n, out.nfs); }},
        {"policy", [&](const YAML::Node& n) { set(out.policy, reader.path(n)); }},
        {"metrics",
         [&](const YAML::Node& n) {
           const bool none = n.IsScalar() && n.Scalar() == "none";
           if (none || reader.endpoint(n, true)) {
             out.flags.insert(out.flags.end(), {"--metrics", n.Scalar()});
           }
         }},
        {"dev_containers", [&](const YAML::Node& n) { set(out.dev_containers, reader.truth(n)); }},
        {"node_defaults",
         [&](const YAML::Node& n) {
           reader.map(n, settings_fields(reader, out.node_defaults));
           out.node_defaults_text = YAML::Dump(n);
         }},
    };
    add_flag_fields(reader, fields, out);
    reader.map(root, fields);
    const auto need = [&](const char* key, const char* example) {
      if (root.IsMap() && !root[key]) reader.missing(key, example);
    };
    need("store", "store: /srv/devrun, a folder on btrfs, XFS or ext4");
    need("address", "address: ctl.example.org, as the nodes reach this machine");
    need("nfs", "nfs: {listen: 10.0.0.1:2049, networks: [10.0.0.0/24]}");
    if (out.nfs.listen_address == "0.0.0.0" && out.nfs.servers.empty()) {
      in_addr four{};
      if (::inet_pton(AF_INET, out.address.c_str(), &four) != 1) {
        reader.wrong(root["nfs"],
                     "'server', ADDRESS:PORT as the nodes reach it, is missing: "
                     "'listen' and 'address' do not tell it");
      }
    }
  }
  TRY(reader.status());
  // Where nodes find ours, unless that is said.
  if (out.nfs.servers.empty()) {
    const bool everywhere = out.nfs.listen_address == "0.0.0.0";
    out.nfs.servers.push_back(fmt::format(
        "{}:{}", everywhere ? out.address : out.nfs.listen_address, out.nfs.listen_port));
  }
  return out;
}

Result<ControllerConfig> read_controller_config(const std::string& file) {
  Result<std::string> text = read_file(file, kConfigBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound,
                 fmt::format("{} is not there: this machine is no controller's yet", file),
                 "cp /usr/share/doc/devrun/controller.yaml /etc/devrun/, and change it"};
  }
  return parse_controller_config(TRY(std::move(text)), file);
}

}  // namespace devrun::start
