#include "common/tree/reads.h"

#include <algorithm>
#include <optional>

namespace devrun::tree {

namespace {

// folder: path NUL, 'L' or '-', names, each ended by NUL, and an empty one; at the end the mark, so
// that a file that was cut off is none.
constexpr std::string_view kHead = "devrun reads 1\n";
constexpr std::string_view kEnd = "\n.";
constexpr size_t kDepthMax = 4096;

const Entry* find(const Directory& directory, std::string_view name) {
  const auto at = std::ranges::lower_bound(directory.entries, name, {}, &Entry::name);
  return at != directory.entries.end() && at->name == name ? &*at : nullptr;
}

bool is_folder(const Entry* entry) {
  return entry != nullptr && entry->type == EntryType::kDirectory;
}

std::optional<ChangedRead::How> how_changed(const Entry& before, const Entry& now) {
  using How = ChangedRead::How;
  Changes changes = compare(before, now);
  if (before.type == EntryType::kDirectory && now.type == EntryType::kDirectory) {
    changes.mtime = changes.links = false;
  }
  if (!changes.any()) return std::nullopt;
  const bool touched = changes.mtime && !changes.type && !changes.content && !changes.mode &&
                       !changes.owner && !changes.xattrs && !changes.links;
  return touched ? How::kTouched : How::kChanged;
}

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

class Comparing {
 public:
  using WhatIsSpared = std::function<Spared(const std::string&, const Entry*, const Entry*)>;
  Comparing(DirectoryReader& reader, const Reads& reads, size_t max, const WhatIsSpared& spared)
      : reader_(reader), reads_(reads), max_(max), spared_(spared) {}

  // Folders; null: there is none, and it counts as empty.
  Status folder(const std::string& path, const Entry* before, const Entry* now, size_t depth);
  std::vector<ChangedRead> take() { return std::move(found_); }

 private:
  Status name(const std::string& path, const Entry* before, const Entry* now, size_t depth);
  void listing(const std::string& path, const std::set<std::string>& looked_for,
               const Directory& before, const Directory& now);
  void tell(const std::string& path, ChangedRead::How how) {
    if (!is_full()) found_.push_back({path, how});
  }
  bool is_full() const { return found_.size() >= max_; }
  Spared spared(const std::string& path, const Entry* before, const Entry* now) const {
    return spared_ ? spared_(path, before, now) : Spared::kNo;
  }
  Result<Directory> names_of(const Entry* folder) {
    return folder == nullptr ? Directory{} : reader_.read(folder->directory);
  }

  DirectoryReader& reader_;
  const Reads& reads_;
  const size_t max_;
  const WhatIsSpared& spared_;
  std::vector<ChangedRead> found_;
};

Status Comparing::folder(const std::string& path, const Entry* before, const Entry* now,
                         size_t depth) {
  const auto asked = reads_.folders.find(path);
  if (asked == reads_.folders.end() || is_full()) return ok();
  if (before != nullptr && now != nullptr && before->directory == now->directory) return ok();
  if (depth > kDepthMax) return Error{Code::kExhausted, "folders of more than 4096 levels", {}};
  const Directory old_names = TRY(names_of(before));
  const Directory new_names = TRY(names_of(now));
  for (const std::string& one : asked->second.names) {
    TRY(name(joined(path, one), find(old_names, one), find(new_names, one), depth));
    if (is_full()) return ok();
  }
  if (asked->second.listed) listing(path, asked->second.names, old_names, new_names);
  return ok();
}

// Tells the first name that shows that a listing is another one; those that were looked for have been told.
void Comparing::listing(const std::string& path, const std::set<std::string>& looked_for,
                        const Directory& before, const Directory& now) {
  using How = ChangedRead::How;
  auto old_one = before.entries.begin();
  auto new_one = now.entries.begin();
  while (old_one != before.entries.end() || new_one != now.entries.end()) {
    const bool came = old_one == before.entries.end() ||
                      (new_one != now.entries.end() && new_one->name < old_one->name);
    const bool went = !came && (new_one == now.entries.end() || old_one->name < new_one->name);
    const Entry* const was = came ? nullptr : &*old_one;
    const Entry* const is = went ? nullptr : &*new_one;
    if (!came) ++old_one;
    if (!went) ++new_one;
    if (!came && !went && was->type == is->type) continue;
    const std::string& name = came ? is->name : was->name;
    const std::string full = joined(path, name);
    if (looked_for.contains(name) || spared(full, was, is) != Spared::kNo) continue;
    return tell(full, came ? How::kCame : went ? How::kWent : How::kOtherType);
  }
}

Status Comparing::name(const std::string& path, const Entry* before, const Entry* now,
                       size_t depth) {
  if (before == nullptr && now == nullptr) return ok();
  const Spared how = spared(path, before, now);
  if (how == Spared::kSame) return ok();
  if (before == nullptr || now == nullptr) {
    const bool is_one = is_folder(before == nullptr ? now : before);
    if (how == Spared::kAsEmpty && is_one) return folder(path, before, now, depth + 1);
    tell(path, before == nullptr ? ChangedRead::How::kAdded : ChangedRead::How::kDeleted);
    return ok();
  }
  if (const auto changed = how_changed(*before, *now)) tell(path, *changed);
  if (!is_folder(before) || !is_folder(now)) return ok();
  return folder(path, before, now, depth + 1);
}

// Up to the next NUL, which is taken, too; none: there is none.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return word;
}

Error corrupt() {
  return {Code::kCorrupt, "a list of what was read is damaged", {}};
}

}  // namespace

size_t count_names(const Reads& reads) {
  size_t out = 0;
  for (const auto& [path, folder] : reads.folders) out += folder.names.size() + 1;
  return out;
}

void merge_reads(Reads& into, const Reads& more) {
  for (const auto& [path, folder] : more.folders) {
    Reads::Folder& own = into.folders[path];
    own.names.insert(folder.names.begin(), folder.names.end());
    own.listed = own.listed || folder.listed;
  }
}

std::string encode_reads(const Reads& reads) {
  std::string out(kHead);
  for (const auto& [path, folder] : reads.folders) {
    out.append(path).push_back('\0');
    out.push_back(folder.listed ? 'L' : '-');
    for (const std::string& name : folder.names) out.append(name).push_back('\0');
    out.push_back('\0');
  }
  return out.append(kEnd);
}

Result<Reads> decode_reads(std::string_view bytes) {
  if (bytes.size() > kReadsBytesMax || !bytes.starts_with(kHead) || !bytes.ends_with(kEnd)) {
    return corrupt();
  }
  Reads out;
  std::string_view rest = bytes.substr(kHead.size(), bytes.size() - kHead.size() - kEnd.size());
  while (!rest.empty()) {
    const auto path = take_word(rest);
    if (!path || rest.empty() || (rest.front() != 'L' && rest.front() != '-')) return corrupt();
    Reads::Folder& folder = out.folders[std::string(*path)];
    folder.listed = rest.front() == 'L';
    rest.remove_prefix(1);
    for (;;) {
      const auto name = take_word(rest);
      if (!name) return corrupt();
      if (name->empty()) break;
      folder.names.emplace(*name);
    }
  }
  return out;
}

std::string_view changed_read_word(ChangedRead::How how) {
  switch (how) {
    case ChangedRead::How::kChanged:
      return "changed";
    case ChangedRead::How::kAdded:
      return "added";
    case ChangedRead::How::kDeleted:
      return "deleted";
    case ChangedRead::How::kTouched:
      return "touched";
    case ChangedRead::How::kCame:
      return "added to a folder that it lists";
    case ChangedRead::How::kWent:
      return "gone from a folder that it lists";
    case ChangedRead::How::kOtherType:
      return "of another type, in a folder that it lists";
  }
  return "changed";
}

Result<std::vector<ChangedRead>> changed_reads(
    DirectoryReader& reader, const Entry& before, const Entry& now, const Reads& reads, size_t max,
    const std::function<Spared(const std::string& path, const Entry* before, const Entry* now)>&
        spared) {
  Comparing comparing(reader, reads, max, spared);
  std::vector<ChangedRead> out;
  if (how_changed(before, now)) out.push_back({"", ChangedRead::How::kChanged});
  TRY(comparing.folder("", &before, &now, 0));
  for (ChangedRead& one : comparing.take()) {
    if (out.size() < max) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace devrun::tree
