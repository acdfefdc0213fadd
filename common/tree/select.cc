#include "common/tree/select.h"

#include <fmt/format.h>

#include <optional>

#include "common/tree/merge_entry.h"
#include "common/tree/pairs.h"

namespace devrun::tree {

namespace {

constexpr size_t kDepthMax = 4096;
using Maybe = std::optional<Entry>;

bool is_folder(const Entry* entry) {
  return entry != nullptr && entry->type == EntryType::kDirectory;
}

class Selecting {
 public:
  Selecting(const SelectRequest& request, const ObjectSink& objects)
      : request_(request), objects_(objects) {}

  // Of a path at which the two differ.
  Result<Maybe> entry(const std::string& path, const Entry* base, const Entry* other, size_t depth);
  // The object of a folder, of which either may be null; and whether anything is in it.
  struct Contents {
    Digest id;
    bool empty = true;
  };
  Result<Contents> contents(const std::string& path, const Entry* base, const Entry* other,
                            size_t depth);

 private:
  Result<Directory> read(const Entry* folder) {
    if (!is_folder(folder)) return Directory{};
    return request_.reader.read(folder->directory);
  }

  const SelectRequest& request_;
  const ObjectSink& objects_;
};

Result<Maybe> Selecting::entry(const std::string& path, const Entry* base, const Entry* other,
                               size_t depth) {
  if (same_entry(base, other)) return base == nullptr ? Maybe{} : Maybe{*base};
  const bool chosen = request_.choose(path, base, other);
  if (!is_folder(base) && !is_folder(other)) {
    const Entry* const taken = chosen ? other : base;
    return taken == nullptr ? Maybe{} : Maybe{*taken};
  }
  // A folder in place of something else, which stays if the folder was not chosen.
  if (base != nullptr && !is_folder(base) && !chosen) return Maybe{*base};
  const Contents inside = TRY(contents(path, base, other, depth + 1));
  if (is_folder(other) && (chosen || !inside.empty || is_folder(base))) {
    Entry out = chosen || !is_folder(base) ? *other : *base;
    out.directory = inside.id;
    return Maybe{std::move(out)};
  }
  if (is_folder(other)) return Maybe{};  // new, not chosen, and nothing in it was
  // Gone, or another thing's place now.
  if (chosen && inside.empty) return other == nullptr ? Maybe{} : Maybe{*other};
  Entry out = *base;
  out.directory = inside.id;
  return Maybe{std::move(out)};
}

Result<Selecting::Contents> Selecting::contents(const std::string& path, const Entry* base,
                                                const Entry* other, size_t depth) {
  if (depth > kDepthMax) {
    return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
  }
  if (is_folder(base) && is_folder(other) && base->directory == other->directory) {
    const Directory same = TRY(read(base));
    return Contents{base->directory, same.entries.empty()};
  }
  const Directory from = TRY(read(base));
  const Directory to = TRY(read(other));
  Directory out;
  const auto take = [&](const std::string& name, const Entry* one, const Entry* two) -> Status {
    Maybe taken = TRY(entry(path.empty() ? name : path + "/" + name, one, two, depth));
    if (taken) out.entries.push_back(std::move(*taken));
    return ok();
  };
  TRY(each_pair(from, to, take));
  // As it was, if nothing was chosen: no object of the same entries with another lineage.
  if (is_folder(base) && out == from) return Contents{base->directory, out.entries.empty()};
  if (is_folder(other) && out == to) return Contents{other->directory, out.entries.empty()};
  const Object object = encode_directory(out, request_.volume);
  TRY(objects_(object));
  return Contents{object.id, out.entries.empty()};
}

}  // namespace

Result<Entry> select_tree(const SelectRequest& request, const ObjectSink& objects) {
  Selecting selecting(request, objects);
  const Selecting::Contents inside = TRY(selecting.contents("", &request.base, &request.other, 0));
  const bool chosen = compare(request.base, request.other).any() &&
                      request.choose("", &request.base, &request.other);
  Entry out = chosen ? request.other : request.base;
  out.directory = inside.id;
  return out;
}

}  // namespace devrun::tree
