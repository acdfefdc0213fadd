#include "cli/launch/plan_mounts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace devrun::launch {

namespace {

using Kind = PlannedMount::Kind;

constexpr size_t kNameMax = 63;
// Over these nothing of a task's is mounted: they are the node's, or devrun's own.
constexpr std::string_view kReserved[] = {"/proc", "/sys", "/dev", "/run/devrun"};
constexpr std::string_view kSchemes[] = {"s3://",     "gs://",    "r2://",
                                         "nebius://", "https://", "http://"};

std::string variable_left_in(std::string_view text) {
  const size_t dollar = text.find('$');
  return dollar == std::string_view::npos ? "" : std::string(text.substr(dollar));
}

class Planner {
 public:
  Planner(const Task& task, const VariableLookup& lookup, std::vector<Diagnostic>& diagnostics)
      : task_(task), lookup_(lookup), diagnostics_(diagnostics) {}

  std::vector<PlannedMount> run() {
    for (const FileMount& mount : task_.file_mounts) file_mount(mount);
    for (const VolumeMount& mount : task_.volumes) volume(mount);
    std::stable_sort(out_.begin(), out_.end(), [](const PlannedMount& a, const PlannedMount& b) {
      return a.target < b.target;
    });
    return std::move(out_);
  }

 private:
  void file_mount(const FileMount& written) {
    auto mount = begin(written.target);
    if (!mount) return;
    if (written.storage) {
      storage(*written.storage, *std::move(mount));
    } else {
      const Substituted source = substitute(written.source.value, lookup_);
      source_of(written.source.place, source, *std::move(mount));
    }
  }

  // The mount with its target, or nothing, and why was said.
  std::optional<PlannedMount> begin(const Text& written) {
    const Substituted target = substitute(written.value, lookup_);
    const auto plain = mount_target(target.value);
    if (!plain) {
      diagnostics_.push_back(error_at(written.place,
                                      fmt::format("nothing can be mounted at '{}'", target.shown),
                                      "an absolute path, one below ~/, or one in the workdir"));
      return std::nullopt;
    }
    for (const PlannedMount& other : out_) {
      if (other.target != *plain) continue;
      diagnostics_.push_back(
          error_at(written.place, fmt::format("two mounts at '{}'", target.shown),
                   fmt::format("the other one stands in line {}", other.place.line)));
      return std::nullopt;
    }
    PlannedMount out;
    out.target = *plain;
    out.place = written.place;
    shown_target_ = mount_target(target.shown).value_or(target.shown);
    return out;
  }

  void add(PlannedMount mount, std::string_view words) {
    mount.shown = fmt::format("{}  {}", shown_target_, words);
    out_.push_back(std::move(mount));
  }

  // A path, or a URI of a kind that programs of the volume fetch.
  void source_of(const Place& place, const Substituted& source, PlannedMount mount) {
    mount.source = source.value;
    if (!is_uri(source.value)) {
      mount.kind = Kind::kLocal;
      return add(std::move(mount), "from " + source.shown);
    }
    check_scheme(place, source);
    mount.kind = Kind::kUri;
    add(std::move(mount), fmt::format("copied from {}", source.shown));
  }

  void check_scheme(const Place& place, const Substituted& source) {
    const bool known = std::ranges::any_of(
        kSchemes, [&](std::string_view scheme) { return source.value.starts_with(scheme); });
    if (known) return;
    diagnostics_.push_back(unsupported_at(
        place, fmt::format("'{}' cannot be fetched: nothing is copied", source.shown),
        "s3://, gs://, r2:// and https:// can"));
  }

  // Where SkyPilot runs it is the bucket itself.
  void note_one_way(const Place& place, const Substituted& source) {
    diagnostics_.push_back(warning_at(
        place,
        fmt::format("{} is fetched once into the folder mounted at {}, and what tasks write there "
                    "does not go back to it",
                    source.shown, shown_target_),
        "mode: COPY, if nothing is written; else copy it back in 'run'"));
  }

  void storage(const Storage& written, PlannedMount mount) {
    std::vector<Substituted> sources;
    for (const Text& source : written.sources) sources.push_back(substitute(source.value, lookup_));
    const bool one = sources.size() == 1;
    // A copy for this job alone needs no folder in the store.
    if (one && written.copied) {
      return source_of(written.sources.front().place, sources.front(), std::move(mount));
    }
    mount.kind = Kind::kShared;
    mount.copied = written.copied;
    mount.name = storage_name(written, sources, mount);
    std::vector<std::string> shown;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (is_uri(sources[i].value)) {
        check_scheme(written.sources[i].place, sources[i]);
        if (!written.copied) note_one_way(written.sources[i].place, sources[i]);
      }
      mount.filled_by.push_back(sources[i].value);
      shown.push_back(sources[i].shown);
    }
    const std::string name = mount.name;
    add(std::move(mount),
        fmt::format(
            "the shared folder {}, {}{}", name, written.copied ? "copied" : "live",
            shown.empty() ? "" : fmt::format(", with what is in {}", fmt::join(shown, ", "))));
  }

  // Names are shown to everybody who sees volumes: of a secret the variable's name stands there.
  Substituted name_in(const Text& written) {
    Substituted out = substitute(written.value, lookup_);
    if (out.value == out.shown) return out;
    std::erase_if(out.shown, [](char c) { return c == '$' || c == '{' || c == '}'; });
    out.value = out.shown = folder_name_of(out.shown);
    diagnostics_.push_back(warning_at(
        written.place,
        fmt::format("the name holds a secret, and names are shown: it is called {}", out.shown),
        "a name without it"));
    return out;
  }

  // Its own, that of the bucket that it comes from, or one made of the task's name and the target.
  std::string storage_name(const Storage& written, const std::vector<Substituted>& sources,
                           const PlannedMount& mount) {
    const Substituted name = name_in(written.name);
    std::string out = folder_name_of(name.value);
    if (out.empty() && !sources.empty() && is_uri(sources.front().value)) {
      std::string_view bucket = sources.front().value;
      bucket.remove_prefix(bucket.find("://") + 3);
      out = folder_name_of(bucket.substr(0, std::min(bucket.find('/'), bucket.size())));
    }
    if (out.empty()) {
      out = folder_name_of((task_.name.value.empty() ? "task" : task_.name.value) + mount.target);
      diagnostics_.push_back(warning_at(
          written.name.place,
          fmt::format("the folder mounted at {} has no name: it is called {}", shown_target_, out),
          "name: NAME"));
    } else if (const std::string left = variable_left_in(name.shown); !left.empty()) {
      diagnostics_.push_back(warning_at(
          written.name.place, fmt::format("'{}' has no value: the folder is called {}", left, out),
          "a value for it in envs"));
    }
    return out;
  }

  void volume(const VolumeMount& written) {
    auto mount = begin(written.target);
    if (!mount) return;
    const Substituted name = name_in(written.name);
    if (name.value.empty()) {
      mount->kind = Kind::kScratch;
      return add(*std::move(mount), "an empty folder");
    }
    mount->kind = Kind::kVolume;
    mount->name = name.value;
    if (folder_name_of(name.value) != name.value) {
      diagnostics_.push_back(
          error_at(written.name.place,
                   fmt::format("volumes: '{}' cannot be the name of a volume", name.shown),
                   "names are of a-z, 0-9, '.', '_' and '-', at most 63 characters"));
      return;
    }
    add(*std::move(mount), fmt::format("the volume {}, live", name.shown));
  }

  const Task& task_;
  const VariableLookup& lookup_;
  std::vector<Diagnostic>& diagnostics_;
  std::string shown_target_;
  std::vector<PlannedMount> out_;
};

}  // namespace

std::vector<PlannedMount> plan_mounts(const Task& task, const VariableLookup& lookup,
                                      std::vector<Diagnostic>& diagnostics) {
  return Planner(task, lookup, diagnostics).run();
}

std::string folder_name_of(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, kNameMax)) {
    const bool digit = c >= '0' && c <= '9';
    const bool upper = c >= 'A' && c <= 'Z';
    const bool inner = digit || c == '.' || c == '_' || (c >= 'a' && c <= 'z');
    const char kept = upper ? static_cast<char>(c - 'A' + 'a') : inner ? c : '-';
    const bool begins = (kept >= 'a' && kept <= 'z') || digit;
    if (out.empty() && !begins) continue;
    out += kept;
  }
  while (out.ends_with('-')) out.pop_back();
  return out;
}

std::optional<std::string> mount_target(std::string_view written) {
  std::string out;
  std::string_view rest = written;
  if (rest == "~" || rest.starts_with("~/")) {
    out = "~";
    rest.remove_prefix(1);
  } else if (!rest.starts_with('/')) {
    out = "~/sky_workdir";
  }
  const size_t least = out.size();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    out += "/" + std::string(part);
  }
  const bool controls = std::any_of(out.begin(), out.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  const bool reserved = std::ranges::any_of(kReserved, [&](std::string_view place) {
    return out == place || out.starts_with(std::string(place) + "/");
  });
  if (out.size() == least || controls || reserved || out.size() > 4000) return std::nullopt;
  return out;
}

}  // namespace devrun::launch
