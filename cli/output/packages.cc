#include "cli/output/packages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output/console.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kDistInfo = ".dist-info";

// "/a/b/../c" as "/a/c", by its text.
std::string normal(const std::string& path) {
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = std::string_view(path).substr(at, end - at);
    at = end + 1;
    if (part == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
    } else if (!part.empty() && part != ".") {
      out.append("/").append(part);
    }
  }
  return out;
}

// The first field of a line of CSV.
std::string first_field(std::string_view line) {
  if (!line.starts_with('"')) return std::string(line.substr(0, line.find(',')));
  std::string out;
  for (size_t at = 1; at < line.size(); ++at) {
    if (line[at] != '"') {
      out.push_back(line[at]);
    } else if (at + 1 < line.size() && line[at + 1] == '"') {
      out.push_back(line[++at]);
    } else {
      break;
    }
  }
  return out;
}

template <typename Use>
void for_each_line(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    use(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string_view parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace

std::optional<DistInfo> dist_info_of(std::string_view path) {
  if (!path.ends_with(kDistInfo)) return std::nullopt;
  const std::string_view site = parent_of(path);
  std::string_view name = path.substr(site.size() + 1);
  name.remove_suffix(kDistInfo.size());
  const size_t dash = name.rfind('-');
  if (dash == 0 || dash == std::string_view::npos || dash + 1 == name.size()) return std::nullopt;
  return DistInfo{std::string(path), std::string(site), std::string(name.substr(0, dash)),
                  std::string(name.substr(dash + 1))};
}

DpkgPackages parse_dpkg_status(std::string_view text) {
  DpkgPackages out;
  std::string name, architecture, version;
  bool installed = false;
  bool several = false;
  const auto finish = [&] {
    if (installed && !name.empty()) {
      out[several && !architecture.empty() ? name + ":" + architecture : name] = version;
    }
    name.clear();
    architecture.clear();
    version.clear();
    installed = several = false;
  };
  for_each_line(text, [&](std::string_view line) {
    if (line.empty()) return finish();
    const auto value = [&](std::string_view field) -> std::optional<std::string> {
      if (!line.starts_with(field)) return std::nullopt;
      return std::string(line.substr(field.size()));
    };
    if (const auto found = value("Package: ")) name = *found;
    if (const auto found = value("Architecture: ")) architecture = *found;
    if (const auto found = value("Version: ")) version = *found;
    if (const auto found = value("Multi-Arch: ")) several = *found == "same";
    if (const auto found = value("Status: ")) installed = found->ends_with(" installed");
  });
  finish();
  return out;
}

std::vector<PackageChange> python_changes(const std::vector<ChangeRecord>& changes) {
  std::map<std::pair<std::string, std::string>, PackageChange> found;  // by site and name
  for (const ChangeRecord& change : changes) {
    const bool came = change.kind == ChangeRecord::Kind::kCreated && change.type_after == 'd';
    const bool went = change.kind == ChangeRecord::Kind::kDeleted && change.type_before == 'd';
    if (!came && !went) continue;
    const std::optional<DistInfo> info = dist_info_of(change.path);
    if (!info) continue;
    PackageChange& one = found[{info->site, info->name}];
    one.name = info->name;
    (came ? one.after : one.before) = info->version;
    (came ? one.info_after : one.info_before) = info->path;
  }
  std::vector<PackageChange> out;
  for (auto& [key, one] : found) out.push_back(std::move(one));
  return out;
}

std::vector<PackageChange> debian_changes(const DpkgPackages& before, const DpkgPackages& after) {
  std::vector<PackageChange> out;
  const auto add = [&](const std::string& name, const std::string& old,
                       const std::string& version) {
    PackageChange& one = out.emplace_back();
    one.by = PackageChange::By::kDebian;
    one.name = name;
    one.before = old;
    one.after = version;
  };
  for (const auto& [name, version] : before) {
    const auto found = after.find(name);
    if (found == after.end()) add(name, version, {});
    if (found != after.end() && found->second != version) add(name, version, found->second);
  }
  for (const auto& [name, version] : after) {
    if (before.find(name) == before.end()) add(name, {}, version);
  }
  return out;
}

std::vector<std::string> files_of_record(std::string_view record, const std::string& site) {
  std::vector<std::string> out;
  for_each_line(record, [&](std::string_view line) {
    const std::string path = first_field(line);
    if (path.empty()) return;
    out.push_back(normal(path.starts_with('/') ? path : site + "/" + path));
  });
  return out;
}

void PackageFiles::add(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    files_.insert(file);
    for (std::string_view parent = parent_of(file); !parent.empty(); parent = parent_of(parent)) {
      if (!parents_.emplace(parent).second) break;
    }
  }
}

bool PackageFiles::owns(const std::string& path) const {
  if (files_.contains(path) || parents_.contains(path)) return true;
  for (const std::string& folder : folders_) {
    if (path == folder || path.starts_with(folder + "/")) return true;
  }
  // What was compiled when it was first used.
  std::string_view folder = path;
  if (!folder.ends_with("/__pycache__")) folder = parent_of(folder);
  if (!folder.ends_with("/__pycache__")) return false;
  return parents_.contains(parent_of(folder));
}

std::string package_line(const PackageChange& change) {
  const std::string name = printable(change.name);
  if (change.before.empty()) return fmt::format("P + {} {}\n", name, printable(change.after));
  if (change.after.empty()) return fmt::format("P - {} {}\n", name, printable(change.before));
  return fmt::format("P {} {} → {}\n", name, printable(change.before), printable(change.after));
}

std::string package_json(const PackageChange& change) {
  using Json = nlohmann::ordered_json;
  const auto version = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  const Json out = {{"package", change.name},
                    {"by", change.by == PackageChange::By::kPython ? "python" : "debian"},
                    {"before", version(change.before)},
                    {"after", version(change.after)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace devrun::cli
