#include "controller/storage/home_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <unordered_set>

#include "common/tree/body_copy.h"
#include "common/tree/codec.h"
#include "common/tree/merge_entry.h"
#include "common/tree/pairs.h"
#include "common/tree/stat_values.h"
#include "controller/storage/aside.h"
#include "controller/storage/attributes.h"
#include "controller/storage/body_check.h"
#include "controller/storage/folders.h"
#include "controller/storage/new_file.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr size_t kDepthMax = 4096;
constexpr size_t kTagHexDigits = 24;

using tree::Entry;
using tree::EntryType;

bool is_folder(const Entry* entry) {
  return entry != nullptr && entry->type == EntryType::kDirectory;
}

class Writing {
 public:
  explicit Writing(const HomeWrite& write) : write_(write) {}

  Status folder(const std::string& path, const Entry* now, const Entry* wanted, size_t depth);
  Status recover(const std::string& path, const Entry* now, const Entry* wanted, size_t depth);

 private:
  // False: a conflict was told. What is below a conflict is not looked at.
  Result<bool> entry(const std::string& path, const Entry* now, const Entry* wanted, size_t depth);
  Result<bool> make_folder(const std::string& path, const Entry* now, const Entry& wanted,
                           size_t depth);
  Result<bool> name_folder(const NamedPlace& place, const std::string& path, const Entry* now,
                           const Entry& wanted);
  Result<bool> replace_folder(const std::string& path, const Entry& now, const Entry& wanted,
                              size_t depth);
  Status clear_aside(const NamedPlace& place, const std::string& path) const;
  Result<bool> go(const std::string& path, const Entry& now, size_t depth);
  Result<bool> remove_file(const std::string& path, const Entry& now);
  Result<bool> put(const std::string& path, const Entry* now, const Entry& wanted);
  Result<bool> put_attributes(const std::string& path, const Entry& now, const Entry& wanted);
  Result<UniqueFd> make_unnamed(const NamedPlace& place, const std::string& path,
                                const Entry& wanted) const {
    return make_unnamed_file({place.folder.get(), path, wanted}, write_.contents, write_.syncs);
  }
  Result<UniqueFd> make_aside(const NamedPlace& place, const std::string& path,
                              const Entry& wanted);
  Result<bool> put_new_file(const NamedPlace& place, const std::string& path, const Entry& wanted);
  // Whether the place still has what the snapshot had there.
  bool is_as_it_was(const NamedPlace& place, const Entry& now) const;
  // Whether whoever goes together with it can be written.
  Result<bool> group_is_as_it_was(const std::string& path);
  Status recover_entry(const std::string& path, const Entry* now, const Entry* wanted);

  Result<std::optional<NamedPlace>> place_of(const std::string& path) const;
  Result<tree::Directory> read(const Entry* folder) {
    if (!is_folder(folder)) return tree::Directory{};
    return write_.reader.read(folder->directory);
  }
  bool conflict(const std::string& path, bool whole = true) const {
    write_.conflict(path, whole);
    return false;
  }
  template <typename Each>
  Status each_pair(const Entry* now, const Entry* wanted, const Each& each);

  const HomeWrite& write_;
  std::unordered_map<std::string, std::string> first_names_;  // of several, by lineage and inode
  // Files with several names, of which we have taken one away: that has stamped them.
  std::unordered_set<uint64_t> stamped_;
  std::unordered_map<std::string, bool> groups_;  // by the first file
};

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

std::string aside_name(const std::string& tag, const std::string& path) {
  return ".devrun-home." + tree::sha256(tag + '\0' + path).hex().substr(0, kTagHexDigits);
}

// Nothing if the folder is not there, or is no folder any more.
Result<std::optional<NamedPlace>> Writing::place_of(const std::string& path) const {
  const size_t slash = path.rfind('/');
  Result<UniqueFd> fd = open_beneath(
      write_.root, slash == std::string::npos ? "" : path.substr(0, slash), O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().code == Code::kExhausted) {
    return std::move(fd).error().context(shown_path(path));
  }
  if (!fd) return std::optional<NamedPlace>{};
  return std::optional(NamedPlace{std::move(*fd),
                                  path.substr(slash == std::string::npos ? 0 : slash + 1),
                                  aside_name(write_.tag, path)});
}

bool Writing::is_as_it_was(const NamedPlace& place, const Entry& now) const {
  const std::optional<struct stat> there = look(place.folder.get(), place.name);
  if (!there || !is_still(*there, now, stamped_.contains(now.inode))) return false;
  const bool certain = now.ctime_ns < write_.taken_ns - kClockGrainNs;
  if (certain || now.type != EntryType::kRegular || now.size == 0) return true;
  const UniqueFd file(::openat(place.folder.get(), place.name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return false;
  if (now.body.kind == tree::BodyKind::kProvisional) return false;
  if (now.body.kind == tree::BodyKind::kChunked) {
    return static_cast<bool>(check_body(file.get(), now.size, now.body));
  }
  const Result<std::string> bytes = tree::read_start(file.get(), now.size);
  return bytes && *bytes == now.body.id;
}

template <typename Each>
Status Writing::each_pair(const Entry* now, const Entry* wanted, const Each& each) {
  if (is_folder(now) && is_folder(wanted) && now->directory == wanted->directory) return ok();
  const tree::Directory from = TRY(read(now));
  const tree::Directory to = TRY(read(wanted));
  return tree::each_pair(
      from, to, [&](const std::string& name, const Entry* one, const Entry* two) -> Status {
        return tree::same_entry(one, two) ? ok() : each(name, one, two);
      });
}

Status Writing::folder(const std::string& path, const Entry* now, const Entry* wanted,
                       size_t depth) {
  if (depth > kDepthMax) return Error{Code::kExhausted, "a path that is too deep", {}};
  return each_pair(now, wanted,
                   [&](const std::string& name, const Entry* one, const Entry* two) -> Status {
                     TRY(entry(join(path, name), one, two, depth));
                     return ok();
                   });
}

Result<bool> Writing::entry(const std::string& path, const Entry* now, const Entry* wanted,
                            size_t depth) {
  reach(write_.fault, "home.entry");
  if (write_.together && !TRY(group_is_as_it_was(path))) return conflict(path);
  if (wanted == nullptr) return go(path, *now, depth);
  if (is_folder(now) && !is_folder(wanted)) {
    return replace_folder(path, *now, *wanted, depth);
  }
  if (is_folder(wanted)) return make_folder(path, now, *wanted, depth);
  const tree::Changes changes = now == nullptr ? tree::Changes{} : tree::compare(*now, *wanted);
  const bool whole = now == nullptr || changes.type || changes.content || changes.links ||
                     now->links > 1 || wanted->type == EntryType::kSymlink;
  return whole ? put(path, now, *wanted) : put_attributes(path, *now, *wanted);
}

Result<bool> Writing::group_is_as_it_was(const std::string& path) {
  const std::vector<std::string> files = write_.together(path);
  if (files.empty()) return true;
  const auto [known, is_first] = groups_.try_emplace(files.front(), true);
  if (!is_first) return known->second;
  for (const std::string& file : files) {
    const std::optional<NamedPlace> place = TRY(place_of(file));
    if (!place) continue;
    const Result<Entry> now = tree::find_entry({write_.reader, write_.now}, file);
    const bool there = look(place->folder.get(), place->name).has_value();
    if (!now ? !there
             : is_as_it_was(*place, *now) && !has_writer(place->folder.get(), place->name)) {
      continue;
    }
    known->second = false;
    break;
  }
  return known->second;
}

// What is in it first; it goes itself if nothing is left in it.
Result<bool> Writing::go(const std::string& path, const Entry& now, size_t depth) {
  if (now.type != EntryType::kDirectory) return remove_file(path, now);
  TRY(folder(path, &now, nullptr, depth + 1));
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return true;
  if (::unlinkat(place->folder.get(), place->name.c_str(), AT_REMOVEDIR) == 0) {
    write_.done(path, nullptr, -1);
    return true;
  }
  if (errno == ENOENT) return true;
  if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR || errno == EBUSY) {
    return conflict(path, false);
  }
  return errno_error("rmdir " + shown_path(path), errno);
}

Result<bool> Writing::make_folder(const std::string& path, const Entry* now, const Entry& wanted,
                                  size_t depth) {
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return conflict(path);
  if (now != nullptr && !is_folder(now) && !is_as_it_was(*place, *now)) return conflict(path);
  bool made = false;
  if (!is_folder(now)) {
    made = TRY(name_folder(*place, path, now, wanted));
  }
  const std::optional<struct stat> st = look(place->folder.get(), place->name);
  if (!st || !S_ISDIR(st->st_mode)) return conflict(path);
  TRY(folder(path, is_folder(now) ? now : nullptr, &wanted, depth + 1));
  Entry attributes = wanted;
  if (!made) {
    const tree::Changes changes = is_folder(now) ? tree::compare(*now, wanted) : tree::Changes{};
    if (!changes.mode && !changes.owner && !changes.xattrs) return true;
    attributes.mtime_ns = tree::nanoseconds(st->st_mtim);
  }
  const Result<UniqueFd> self = open_beneath(write_.root, path, O_RDONLY | O_DIRECTORY);
  if (!self) return conflict(path);
  TRY(set_attributes(self->get(), attributes));
  write_.done(path, &wanted, -1);
  return true;
}

// It has its attributes before it has its name: a half-made one would be another's, to the next who
// compares. False if somebody has made one there meanwhile.
Result<bool> Writing::name_folder(const NamedPlace& place, const std::string& path,
                                  const Entry* now, const Entry& wanted) {
  const int folder = place.folder.get();
  TRY(clear_aside(place, path));
  if (::mkdirat(folder, place.aside.c_str(), 0700) != 0) {
    if (is_gone(folder)) return false;
    return errno_error("mkdir " + shown_path(path), errno);
  }
  const UniqueFd made(
      ::openat(folder, place.aside.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) return errno_error("mkdir " + shown_path(path), errno);
  TRY(set_attributes(made.get(), wanted));
  reach(write_.fault, "home.folder");
  if (now != nullptr && exchange(place) == 0) {
    reach(write_.fault, "home.exchanged");
    const std::optional<struct stat> displaced = look(folder, place.aside);
    const bool regular = now->type == EntryType::kRegular;
    if (displaced && is_still(*displaced, *now, true) &&
        !(regular && has_writer(folder, place.aside))) {
      if (now->links > 1) stamped_.insert(now->inode);
      ::unlinkat(folder, place.aside.c_str(), 0);
      return true;
    }
    if (exchange(place) != 0) {
      put_back(place);
    } else if (::unlinkat(folder, place.aside.c_str(), AT_REMOVEDIR) != 0) {
      keep_beside(place);  // somebody has put something into it
    }
    return false;
  }
  if (now == nullptr &&
      ::renameat2(folder, place.aside.c_str(), folder, place.name.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  const int why = errno;
  ::unlinkat(folder, place.aside.c_str(), AT_REMOVEDIR);
  if (why == EEXIST || why == ENOENT || is_gone(folder)) return false;
  return errno_error("name " + shown_path(path), why);
}

// Once nothing is left in it, in one step.
Result<bool> Writing::replace_folder(const std::string& path, const Entry& now, const Entry& wanted,
                                     size_t depth) {
  TRY(folder(path, &now, nullptr, depth + 1));
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return conflict(path);
  const int folder = place->folder.get();
  Result<UniqueFd> made = make_aside(*place, path, wanted);
  if (!made && (is_gone(folder) || made.error().code == Code::kUnsupported)) return conflict(path);
  const UniqueFd file = TRY(std::move(made));
  const std::optional<struct stat> made_there = look(folder, place->aside);
  const uint64_t ours = made_there ? made_there->st_ino : 0;
  reach(write_.fault, "home.made");
  if (exchange(*place) != 0) {
    const int why = errno;
    ::unlinkat(folder, place->aside.c_str(), 0);
    if (why == ENOENT || is_gone(folder)) return conflict(path);
    return errno_error("replace " + shown_path(path), why);
  }
  reach(write_.fault, "home.exchanged");
  if (::unlinkat(folder, place->aside.c_str(), AT_REMOVEDIR) == 0) {
    write_.done(path, &wanted, file.get());
    return true;
  }
  give_way(*place, wanted, ours);  // something is in it, or it is no folder any more
  return conflict(path, false);
}

Status Writing::clear_aside(const NamedPlace& place, const std::string& path) const {
  const int folder = place.folder.get();
  if (::unlinkat(folder, place.aside.c_str(), 0) == 0 || errno == ENOENT) return ok();
  if (::unlinkat(folder, place.aside.c_str(), AT_REMOVEDIR) == 0) return ok();
  return errno_error("make room for " + shown_path(path), errno);
}

Result<bool> Writing::remove_file(const std::string& path, const Entry& now) {
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return true;
  const int folder = place->folder.get();
  if (!look(folder, place->name)) return true;
  if (!is_as_it_was(*place, now)) return conflict(path);
  if (::renameat2(folder, place->name.c_str(), folder, place->aside.c_str(), RENAME_NOREPLACE) !=
      0) {
    return errno == ENOENT ? Result<bool>(true) : errno_error("move " + shown_path(path), errno);
  }
  reach(write_.fault, "home.aside");
  const std::optional<struct stat> moved = look(folder, place->aside);
  const bool regular = now.type == EntryType::kRegular;
  if (moved && is_still(*moved, now, true) && !(regular && has_writer(folder, place->aside))) {
    if (now.links > 1) stamped_.insert(now.inode);
    if (::unlinkat(folder, place->aside.c_str(), 0) != 0 && errno != ENOENT) {
      return errno_error("remove " + shown_path(path), errno);
    }
    write_.done(path, nullptr, -1);
    return true;
  }
  put_back(*place);
  return conflict(path);
}

// What has no name yet gets it at once: nobody sees a part of it, and none but it can be there.
Result<bool> Writing::put_new_file(const NamedPlace& place, const std::string& path,
                                   const Entry& wanted) {
  const int folder = place.folder.get();
  Result<UniqueFd> made = make_unnamed(place, path, wanted);
  if (!made && (is_gone(folder) || made.error().code == Code::kUnsupported)) return conflict(path);
  const UniqueFd file = TRY(std::move(made));
  reach(write_.fault, "home.made");
  if (link_unnamed(file.get(), folder, place.name) != 0) {
    const int why = errno;
    if (why == EEXIST || is_gone(folder)) return conflict(path);
    return errno_error("name " + shown_path(path), why);
  }
  write_.done(path, &wanted, file.get());
  return true;
}

// The new version under the name aside; an open file of it, if it is a regular one.
Result<UniqueFd> Writing::make_aside(const NamedPlace& place, const std::string& path,
                                     const Entry& wanted) {
  const int folder = place.folder.get();
  TRY(clear_aside(place, path));
  if (wanted.type == EntryType::kRegular && wanted.links > 1) {
    std::string key(reinterpret_cast<const char*>(wanted.lineage.data()), wanted.lineage.size());
    key += std::to_string(wanted.inode);
    const auto [first, is_first] = first_names_.try_emplace(std::move(key), path);
    if (!is_first) {
      const std::optional<NamedPlace> from = TRY(place_of(first->second));
      if (from &&
          ::linkat(from->folder.get(), from->name.c_str(), folder, place.aside.c_str(), 0) == 0) {
        return UniqueFd{};
      }
      first->second = path;
    }
  }
  if (wanted.type == EntryType::kRegular) {
    UniqueFd file = TRY(make_unnamed(place, path, wanted));
    if (link_unnamed(file.get(), folder, place.aside) != 0) {
      return errno_error("create " + shown_path(path), errno);
    }
    return file;
  }
  TRY(make_special_file({folder, path, wanted}, place.aside));
  return UniqueFd{};
}

Result<bool> Writing::put(const std::string& path, const Entry* now, const Entry& wanted) {
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return conflict(path);
  const int folder = place->folder.get();
  if (now == nullptr && look(folder, place->name)) return conflict(path);
  if (now != nullptr && !is_as_it_was(*place, *now)) return conflict(path);
  if (now == nullptr && wanted.type == EntryType::kRegular && wanted.links == 1) {
    return put_new_file(*place, path, wanted);
  }
  Result<UniqueFd> made = make_aside(*place, path, wanted);
  if (!made && (is_gone(folder) || made.error().code == Code::kUnsupported)) {
    return conflict(path);
  }
  const UniqueFd file = TRY(std::move(made));
  const std::optional<struct stat> made_there = look(folder, place->aside);
  const uint64_t ours = made_there ? made_there->st_ino : 0;
  reach(write_.fault, "home.made");
  if (now == nullptr) {
    if (::renameat2(folder, place->aside.c_str(), folder, place->name.c_str(), RENAME_NOREPLACE) !=
        0) {
      const int why = errno;
      ::unlinkat(folder, place->aside.c_str(), 0);
      if (why == EEXIST || is_gone(folder)) return conflict(path);
      return errno_error("name " + shown_path(path), why);
    }
    write_.done(path, &wanted, file.get());
    return true;
  }
  if (exchange(*place) != 0) {
    const int why = errno;
    ::unlinkat(folder, place->aside.c_str(), 0);
    if (why == ENOENT || is_gone(folder)) return conflict(path);
    return errno_error("replace " + shown_path(path), why);
  }
  reach(write_.fault, "home.exchanged");
  const std::optional<struct stat> displaced = look(folder, place->aside);
  const bool regular = now->type == EntryType::kRegular;
  if (displaced && is_still(*displaced, *now, true) &&
      !(regular && has_writer(folder, place->aside))) {
    if (now->links > 1) stamped_.insert(now->inode);
    ::unlinkat(folder, place->aside.c_str(), 0);
    write_.done(path, &wanted, file.get());
    return true;
  }
  give_way(*place, wanted, ours);
  return conflict(path);
}

Result<bool> Writing::put_attributes(const std::string& path, const Entry& now,
                                     const Entry& wanted) {
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return conflict(path);
  const UniqueFd object(
      ::openat(place->folder.get(), place->name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!object || ::fstat(object.get(), &st) != 0 || !is_still(st, now, false)) {
    return conflict(path);
  }
  TRY(set_attributes(object.get(), wanted));
  write_.done(path, &wanted, -1);
  return true;
}

Status Writing::recover(const std::string& path, const Entry* now, const Entry* wanted,
                        size_t depth) {
  if (depth > kDepthMax) return Error{Code::kExhausted, "a path that is too deep", {}};
  return each_pair(now, wanted,
                   [&](const std::string& name, const Entry* one, const Entry* two) -> Status {
                     const std::string at = join(path, name);
                     TRY(recover_entry(at, one, two));
                     if (!is_folder(one) && !is_folder(two)) return ok();
                     return recover(at, is_folder(one) ? one : nullptr,
                                    is_folder(two) ? two : nullptr, depth + 1);
                   });
}

Status Writing::recover_entry(const std::string& path, const Entry* now, const Entry* wanted) {
  const std::optional<NamedPlace> place = TRY(place_of(path));
  if (!place) return ok();
  const int folder = place->folder.get();
  const std::optional<struct stat> aside = look(folder, place->aside);
  if (!aside) return ok();
  const bool is_displaced = now != nullptr && aside->st_ino == now->inode;
  const bool untouched = is_displaced && is_still(*aside, *now, true) &&
                         !(now->type == EntryType::kRegular && has_writer(folder, place->aside));
  if (!is_displaced || untouched) {
    // Ours, which has no name of its own yet; or a version of the volume's that was to go, and that
    // is what the name's new one was made of.
    const bool replaced = look(folder, place->name).has_value();
    if (is_displaced && !replaced && wanted != nullptr) {
      ::renameat2(folder, place->aside.c_str(), folder, place->name.c_str(), RENAME_NOREPLACE);
      return ok();
    }
    if (!clear_aside(*place, path)) put_back(*place);  // a folder in which something is by now
    return ok();
  }
  // The volume's own, edited: back to its name; where that is taken by ours, in exchange.
  if (::renameat2(folder, place->aside.c_str(), folder, place->name.c_str(), RENAME_NOREPLACE) ==
      0) {
    return ok();
  }
  const std::optional<struct stat> named = look(folder, place->name);
  const bool named_is_ours = named && wanted != nullptr &&
                             static_cast<uint64_t>(named->st_size) == wanted->size &&
                             tree::nanoseconds(named->st_mtim) == wanted->mtime_ns;
  if (!named_is_ours) {
    keep_beside(*place);
    return ok();
  }
  if (exchange(*place) != 0) return errno_error("put back " + shown_path(path), errno);
  ::unlinkat(folder, place->aside.c_str(), 0);
  return ok();
}

}  // namespace

Status write_home(const HomeWrite& write) {
  return Writing(write).folder("", &write.now, &write.wanted, 0);
}

Status recover_home(const HomeWrite& write) {
  return Writing(write).recover("", &write.now, &write.wanted, 0);
}

}  // namespace devrun::storage
