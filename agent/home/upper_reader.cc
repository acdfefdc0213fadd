#include "agent/home/upper_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "agent/sandbox/own_places.h"
#include "common/runtime/file.h"
#include "common/tree/stat_values.h"

namespace devrun::home {

namespace {

constexpr size_t kDepthMax = 4096;  // as trees have (common/tree/upper.h)
constexpr size_t kOpenFoldersMax = 64;

bool is_told(PathKind kind) {
  return kind == PathKind::kHome || kind == PathKind::kKept;
}

bool is_kept_by_rule(const PathRules& rules, std::string_view path) {
  return std::ranges::any_of(rules, [&](const PathRule& rule) {
    return rule.name.empty() && rule.path == path && rule.kind == PathKind::kKept;
  });
}

bool is_gone(const Error& error) {
  return error.code == Code::kNotFound;
}

bool is_whiteout(const struct stat& st) {
  return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

tree::EntryType type_of(mode_t mode) {
  if (S_ISDIR(mode)) return tree::EntryType::kDirectory;
  if (S_ISLNK(mode)) return tree::EntryType::kSymlink;
  if (S_ISCHR(mode)) return tree::EntryType::kCharacterDevice;
  if (S_ISBLK(mode)) return tree::EntryType::kBlockDevice;
  if (S_ISFIFO(mode)) return tree::EntryType::kFifo;
  return tree::EntryType::kRegular;
}

UpperItem item_of(std::string path, const struct stat& st, Marks marks) {
  UpperItem out;
  out.path = std::move(path);
  out.entry.type = type_of(st.st_mode);
  out.entry.mode = st.st_mode & 07777;
  out.entry.uid = st.st_uid;
  out.entry.gid = st.st_gid;
  out.entry.mtime_ns = tree::nanoseconds(st.st_mtim);
  out.entry.ctime_ns = tree::nanoseconds(st.st_ctim);
  out.entry.inode = st.st_ino;
  if (S_ISREG(st.st_mode)) out.entry.size = static_cast<uint64_t>(st.st_size);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) out.entry.device = st.st_rdev;
  out.entry.xattrs = std::move(marks.others);
  out.opaque = marks.opaque && S_ISDIR(st.st_mode);
  out.metacopy = marks.metacopy && S_ISREG(st.st_mode);
  // Of a lower file with several names: overlay's index has one more of what was copied up.
  out.copied_up = marks.origin && S_ISREG(st.st_mode) && st.st_nlink > 1;
  if (out.metacopy || S_ISDIR(st.st_mode)) out.redirect = std::move(marks.redirect);
  return out;
}

Result<std::string> target_of(int folder, const char* name) {
  std::string out(4096, '\0');
  const ssize_t n = ::readlinkat(folder, name, out.data(), out.size());
  if (n < 0) return errno_error(fmt::format("read the link {}", name), errno);
  out.resize(static_cast<size_t>(n));
  return out;
}

}  // namespace

Duration thread_cpu() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return {int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000};
}

Result<std::unique_ptr<UpperReader>> UpperReader::open(UpperView view, Choose choose) {
  std::unique_ptr<UpperReader> out(new UpperReader(std::move(view), std::move(choose)));
  TRY(out->begin());
  return out;
}

Status UpperReader::begin() {
  root_ = TRY(open_file(view_.upper, O_RDONLY | O_DIRECTORY));
  if (!view_.lower.empty()) {
    lower_.reset(::open(view_.lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  struct stat st {};
  if (::fstat(root_.get(), &st) != 0) return errno_error("look at " + view_.upper, errno);
  UniqueFd fd(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open " + view_.upper, errno);
  Marks marks = TRY(read_marks(fd.get(), ""));
  marks.opaque = false;
  marks.redirect.clear();
  for (const PathRule& rule : view_.rules) {
    const std::string& path = rule.path;
    named_.insert(rule.name.empty() ? path.substr(path.rfind('/') + 1) : rule.name);
  }
  Level level;
  level.kind = kind_of_path(view_.rules, "/");
  return enter(std::move(level), std::move(fd), st, std::move(marks));
}

Result<std::optional<UpperItem>> UpperReader::next() {
  if (ready_.empty()) {
    const Duration begun = thread_cpu();
    while (ready_.empty() && !levels_.empty()) TRY(step());
    spent_ = spent_ + Duration{thread_cpu().us - begun.us};
  }
  if (ready_.empty()) return std::optional<UpperItem>();
  std::optional<UpperItem> out(std::move(ready_.front()));
  ready_.pop_front();
  return out;
}

Status UpperReader::step() {
  Level& level = levels_.back();
  if (level.at == level.names.size()) return leave();
  path_.resize(level.path_bytes);
  const char* const name = level.names.at(level.at++);
  path_.push_back('/');
  path_ += name;
  ++looked_at_;
  return visit(name);
}

Status UpperReader::visit(const char* name) {
  // A setup step's /tmp is its tree's own: a rule says so.
  if (sandbox::is_the_sandboxs(path_) && !is_kept_by_rule(view_.rules, path_)) return ok();
  struct stat st {};
  if (::fstatat(levels_.back().fd.get(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? ok() : Status(errno_error("look at " + path_, errno));
  }
  if (S_ISSOCK(st.st_mode)) return ok();
  // An entry is of its folder's kind unless a rule speaks of its name.
  const PathKind kind =
      named_.contains(name) ? kind_of_path(view_.rules, path_) : levels_.back().kind;
  Status visited = S_ISDIR(st.st_mode) ? visit_folder(name, st, kind) : visit_other(name, st, kind);
  if (visited || is_gone(visited.error())) return ok();
  return std::move(visited).error().context(path_);
}

Status UpperReader::visit_folder(const char* name, const struct stat& st, PathKind kind) {
  if (choose_ && kind != PathKind::kHome && !leads_home(path_)) return ok();
  const Level& parent = levels_.back();
  UniqueFd fd(::openat(parent.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return ok();
  if (!fd) return errno_error("open", errno);
  Marks marks = TRY(read_marks(fd.get(), ""));
  Level level;
  level.kind = kind;
  if (!marks.redirect.empty()) {
    if (choose_) return ok();
    level.below =
        marks.redirect.front() == '/' ? marks.redirect : parent.below + "/" + marks.redirect;
  } else {
    level.below = parent.below + "/" + name;
    level.hides_below = parent.hides_below || marks.opaque;
  }
  // The kernel makes new folders opaque too, with nothing below them to hide.
  if (marks.opaque && (parent.hides_below || (lower_ && !in_lower(level.below)))) {
    marks.opaque = false;
  }
  if (choose_ && marks.opaque) return ok();
  // What is told of a folder that stays on the node is that something is in it.
  if (!is_told(kind)) {
    marks.opaque = false;
    marks.redirect.clear();
  }
  const bool told = marks.opaque || !marks.redirect.empty();
  TRY(enter(std::move(level), std::move(fd), st, std::move(marks)));
  if (told) {
    UpperItem item = std::move(*levels_.back().pending);
    levels_.back().pending.reset();
    tell(std::move(item));
  }
  return ok();
}

// Whether something below may be of kind home.
bool UpperReader::leads_home(const std::string& folder) const {
  return std::ranges::any_of(view_.rules, [&](const PathRule& rule) {
    return rule.kind == PathKind::kHome &&
           (!rule.name.empty() || sandbox::is_below(rule.path, folder));
  });
}

Status UpperReader::enter(Level level, UniqueFd fd, const struct stat& st, Marks marks) {
  if (levels_.size() > kDepthMax) {
    return Error{Code::kInvalid,
                 fmt::format("{}… is deeper than {} folders", path_.substr(0, 100), kDepthMax),
                 {}};
  }
  level.names = TRY(FolderNames::read(fd.get()));
  level.fd = std::move(fd);
  level.device = st.st_dev;
  level.inode = st.st_ino;
  level.path_bytes = path_.size();
  level.pending = item_of(told_path(), st, std::move(marks));
  if (levels_.size() >= kOpenFoldersMax) levels_[levels_.size() - kOpenFoldersMax].fd.reset();
  levels_.push_back(std::move(level));
  return ok();
}

// Of a folder under which nothing was told: new, or with attributes of its own?
Status UpperReader::leave() {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  path_.resize(level.path_bytes);
  if (!levels_.empty() && !levels_.back().fd) TRY(reopen(levels_.back(), level.fd.get()));
  if (!level.pending || !is_told(level.kind) || choose_) return ok();
  if (TRY(is_as_below(level))) return ok();
  tell(std::move(*level.pending));
  return ok();
}

Status UpperReader::reopen(Level& level, int child) {
  UniqueFd fd(::openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0) return errno_error("open a folder again", errno);
  if (st.st_dev != level.device || st.st_ino != level.inode) {
    return Error{Code::kConflict, "a folder was moved while it was read", {}};
  }
  level.fd = std::move(fd);
  return ok();
}

Result<bool> UpperReader::is_as_below(const Level& level) const {
  const tree::Entry& ours = level.pending->entry;
  const bool nobodys = sandbox::leads_to_the_sandboxs(path_) ||
                       sandbox::is_the_task_folder(path_, view_.caller_home);
  if (level.hides_below) return nobodys;
  if (!lower_) return false;
  const std::string below = level.below.empty() ? "" : level.below.substr(1);
  const Result<UniqueFd> lower =
      open_below(lower_.get(), below, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  struct stat st {};
  if (!lower && lower.error().code == Code::kNotFound) return nobodys;
  if (!lower || ::fstat(lower->get(), &st) != 0) return false;
  const bool same =
      (st.st_mode & 07777) == ours.mode && st.st_uid == ours.uid && st.st_gid == ours.gid;
  return same && TRY(read_marks(lower->get(), "")).others == ours.xattrs;
}

// Links on the way are not followed: where the job has a folder, the tree may have a link that leads elsewhere.
bool UpperReader::in_lower(const std::string& path) const {
  return lower_ && open_below(lower_.get(), path.substr(1), O_PATH).has_value();
}

Status UpperReader::visit_other(const char* name, const struct stat& st, PathKind kind) {
  if (!is_told(kind)) return ok();
  // The prologue's link says where the work of this task is, whatever an earlier one's said.
  if (S_ISLNK(st.st_mode) && sandbox::is_the_task_folder(path_, view_.caller_home)) return ok();
  const Level& level = levels_.back();
  if (choose_) {
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) return ok();
    const Choice choice =
        choose_(Seen{std::string_view(path_).substr(1), kind, st, level.fd.get(), name});
    return choice.told ? tell_other(name, st, choice) : ok();
  }
  if (is_whiteout(st)) {
    UpperItem item;
    item.path = told_path();
    item.whiteout = true;
    tell(std::move(item));
    return ok();
  }
  return tell_other(name, st, {});
}

Status UpperReader::tell_other(const char* name, const struct stat& st, const Choice& choice) {
  const int folder = levels_.back().fd.get();
  Marks marks = TRY(read_marks(folder, name));
  const bool whiteout = marks.whiteout && S_ISREG(st.st_mode) && st.st_size == 0;
  if (choose_ && (whiteout || marks.metacopy)) return ok();
  UpperItem item;
  if (whiteout) {
    item.path = told_path();
    item.whiteout = true;
  } else {
    item = item_of(told_path(), st, std::move(marks));
    if (choice.size) item.entry.size = *choice.size;
    item.grows = choice.size.has_value();
    if (S_ISLNK(st.st_mode)) {
      item.entry.link_target = TRY(target_of(folder, name));
      item.entry.size = item.entry.link_target.size();
    } else if (S_ISREG(st.st_mode) && st.st_nlink > 1 && !choose_) {
      item.entry.links = TRY(names_of(st));
    }
  }
  tell(std::move(item));
  return ok();
}

// With what leads to it.
void UpperReader::tell(UpperItem item) {
  for (Level& level : levels_) {
    if (!level.pending) continue;
    ready_.push_back(std::move(*level.pending));
    level.pending.reset();
  }
  ready_.push_back(std::move(item));
}

// st_nlink is one too many for what overlay's index keeps, and counts names that are not told.
Result<uint32_t> UpperReader::names_of(const struct stat& st) {
  if (counts_names_) return ++names_[st.st_ino];
  if (!counted_) {
    UpperReader counter(view_, {});
    counter.counts_names_ = true;
    TRY(counter.begin());
    while (TRY(counter.next())) {
    }
    names_ = std::move(counter.names_);
    counted_ = true;
  }
  const auto found = names_.find(st.st_ino);
  return found == names_.end() ? 1 : found->second;
}

}  // namespace devrun::home
