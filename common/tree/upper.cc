#include "common/tree/upper.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::tree {

namespace {

constexpr size_t kDepthMax = 4096;

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

class Laying {
 public:
  Laying(DirectoryReader& reader, const Entry& base, const Lineage& volume,
         const ObjectSink& objects)
      : reader_(reader), base_(base), volume_(volume), objects_(objects) {}

  // The object of a folder of the upper. `lower` is the path of what it lies over; none: nothing.
  Result<Digest> folder(const std::string& path, const UpperFolder& upper,
                        const std::optional<std::string>& lower, size_t depth);

 private:
  Result<std::optional<Entry>> entry(const std::string& path, const UpperEntry& upper,
                                     const std::optional<std::string>& lower_folder,
                                     const Entry* beneath, size_t depth);
  Result<Entry> with_lower_body(const std::string& path, const UpperEntry& upper,
                                const std::optional<std::string>& lower_folder,
                                const Entry* beneath);
  Result<Entry> lower_at(const std::string& path, const std::string& lower);

  DirectoryReader& reader_;
  const Entry& base_;
  const Lineage& volume_;
  const ObjectSink& objects_;
};

// Where a redirect leads: "name" counts in the lower folder of the parent.
std::optional<std::string> redirected(const std::string& redirect, const std::string& name,
                                      const std::optional<std::string>& lower_folder) {
  if (redirect.starts_with('/')) return redirect.substr(1);
  if (!lower_folder) return {};
  return join(*lower_folder, redirect.empty() ? name : redirect);
}

Result<Entry> Laying::lower_at(const std::string& path, const std::string& lower) {
  Result<Entry> out = find_entry({reader_, base_}, lower);
  if (out || out.error().code == Code::kCorrupt || out.error().code == Code::kIo) return out;
  return Error{Code::kCorrupt,
               fmt::format("the upper's /{} leads to /{}: {}", path, lower, out.error().message),
               {}};
}

Result<Entry> Laying::with_lower_body(const std::string& path, const UpperEntry& upper,
                                      const std::optional<std::string>& lower_folder,
                                      const Entry* beneath) {
  Entry lower;
  if (!upper.redirect.empty()) {
    const auto from = redirected(upper.redirect, upper.entry.name, lower_folder);
    lower = TRY(lower_at(path, from.value_or(upper.redirect)));
  } else if (beneath != nullptr) {
    lower = *beneath;
  }
  if (lower.type != EntryType::kRegular || (upper.redirect.empty() && beneath == nullptr)) {
    return Error{Code::kCorrupt, fmt::format("the upper's /{} has no bytes below it", path), {}};
  }
  Entry out = upper.entry;
  out.body = lower.body;
  out.size = lower.size;
  return out;
}

Result<std::optional<Entry>> Laying::entry(const std::string& path, const UpperEntry& upper,
                                           const std::optional<std::string>& lower_folder,
                                           const Entry* beneath, size_t depth) {
  if (upper.whiteout) return std::optional<Entry>{};
  if (upper.metacopy) {
    return std::optional(TRY(with_lower_body(path, upper, lower_folder, beneath)));
  }
  Entry out = upper.entry;
  if (out.type == EntryType::kDirectory) {
    std::optional<std::string> lower;
    const bool over_folder = beneath != nullptr && beneath->type == EntryType::kDirectory;
    if (over_folder || !upper.folder.redirect.empty()) {
      lower = redirected(upper.folder.redirect, out.name, lower_folder);
    }
    out.directory = TRY(folder(path, upper.folder, lower, depth + 1));
  }
  return std::optional(std::move(out));
}

Result<Digest> Laying::folder(const std::string& path, const UpperFolder& upper,
                              const std::optional<std::string>& lower, size_t depth) {
  if (depth > kDepthMax) {
    return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
  }
  Directory below;
  if (lower && !upper.opaque) {
    const Entry from = TRY(lower_at(path, *lower));
    if (from.type != EntryType::kDirectory) {
      return Error{Code::kCorrupt, fmt::format("the upper's /{} lies over no folder", path), {}};
    }
    if (upper.entries.empty()) return from.directory;
    below = TRY(reader_.read(from.directory));
  }
  Directory out;
  auto at = below.entries.begin();
  for (const UpperEntry& next : upper.entries) {
    while (at != below.entries.end() && at->name < next.entry.name) out.entries.push_back(*at++);
    const Entry* beneath = nullptr;
    if (at != below.entries.end() && at->name == next.entry.name) beneath = &*at++;
    std::optional<Entry> laid =
        TRY(entry(join(path, next.entry.name), next, lower, beneath, depth));
    if (laid) out.entries.push_back(std::move(*laid));
  }
  out.entries.insert(out.entries.end(), at, below.entries.end());
  const Object object = encode_directory(out, volume_);
  TRY(objects_(object));
  return object.id;
}

}  // namespace

Result<Entry> lay_upper(DirectoryReader& reader, const Entry& base, const Entry& root,
                        const UpperFolder& upper, const Lineage& volume,
                        const ObjectSink& objects) {
  Entry out = root;
  out.name.clear();
  out.directory = TRY(Laying(reader, base, volume, objects).folder("", upper, std::string(), 0));
  return out;
}

}  // namespace devrun::tree
