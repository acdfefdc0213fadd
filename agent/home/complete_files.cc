#include "agent/home/complete_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "common/tree/body_copy.h"
#include "common/tree/codec.h"
#include "common/tree/stat_values.h"

namespace devrun::home {

namespace {

constexpr uint64_t kWhollyComparedMax = 64 << 20;
constexpr uint64_t kTailBytes = 1 << 20;
constexpr size_t kGrowingMax = 4096;
// A growing file costs its whole size each time: so many bytes a second at most are sent of it, and hashed of it.
constexpr uint64_t kSentPerSecondMax = 10 << 20;
constexpr uint64_t kHashedPerSecondMax = 5 << 20;
constexpr std::string_view kSqliteMagic = {"SQLite format 3\0", 16};

bool is_journal(std::string_view name) {
  return name.ends_with("-wal") || name.ends_with("-journal") || name.ends_with("-shm");
}

bool is_database(int file, uint64_t size) {
  if (size < kSqliteMagic.size()) return false;
  const Result<std::string> start = tree::read_start(file, kSqliteMagic.size());
  return start && *start == kSqliteMagic;
}

// The signal of a lease that breaks, SIGIO, would end us; SIGURG is ignored unless somebody asks for it.
bool has_writers(int file) {
  ::fcntl(file, F_SETSIG, SIGURG);
  if (::fcntl(file, F_SETLEASE, F_RDLCK) != 0) return true;
  ::fcntl(file, F_SETLEASE, F_UNLCK);
  return false;
}

// Named as the file would be if it had no more.
Result<Digest> digest_of_beginning(int file, uint64_t size) {
  if (size <= kWhollyComparedMax) return tree::sha256(TRY(tree::hash_chunks(file, size)));
  std::string tail(kTailBytes, '\0');
  const ssize_t n = ::pread(file, tail.data(), tail.size(), static_cast<off_t>(size - kTailBytes));
  if (n != static_cast<ssize_t>(tail.size())) return Error{Code::kConflict, "it is shorter", {}};
  return tree::sha256(tail);
}

bool begins_with(int file, uint64_t size, const Digest& beginning) {
  const Result<Digest> now = digest_of_beginning(file, size);
  return now && *now == beginning;
}

}  // namespace

Choice CompleteFiles::choose(const Seen& seen, int64_t now_ns) {
  constexpr Choice kNot{false};
  const FileVersion version{seen.st.st_ino, tree::nanoseconds(seen.st.st_ctim),
                            static_cast<uint64_t>(seen.st.st_size)};
  if (seen.kind != PathKind::kHome || is_journal(seen.name)) return kNot;
  if (sent_.was_told(version) || sent_.is_full()) return kNot;
  if (S_ISREG(seen.st.st_mode)) {
    return seen.st.st_nlink > 1 ? kNot : choose_regular(seen, version, now_ns);
  }
  return now_ns - version.ctime_ns >= kRestNs ? Choice{} : kNot;
}

Choice CompleteFiles::choose_regular(const Seen& seen, const FileVersion& version, int64_t now_ns) {
  const bool rested = now_ns - version.ctime_ns >= kRestNs;
  if (!rested && !is_due(version, now_ns)) return {false};
  const UniqueFd file(
      ::openat(seen.folder, seen.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
  if (!file || is_database(file.get(), version.size)) return {false};
  if (rested && !has_writers(file.get())) {
    growing_.erase(version.inode);
    return {};
  }
  if (rested && !is_due(version, now_ns)) return {false};
  const Duration begun = thread_cpu();
  const Choice choice = compare(file.get(), version, now_ns);
  compared_ = compared_ + Duration{thread_cpu().us - begun.us};
  return choice;
}

// Most files are complete a moment later: at first sight nothing is read.
bool CompleteFiles::is_due(const FileVersion& version, int64_t now_ns) {
  if (version.size == 0) return false;
  if (growing_.size() >= kGrowingMax && !growing_.contains(version.inode)) growing_.clear();
  Growing& known = growing_[version.inode];
  if (known.look_at_ns == 0) known.look_at_ns = now_ns + kGrowingEveryNs;
  return known.look_at_ns <= now_ns;
}

Choice CompleteFiles::compare(int file, const FileVersion& version, int64_t now_ns) {
  constexpr Choice kNot{false};
  Growing& known = growing_[version.inode];
  const bool large = version.size > kWhollyComparedMax;
  const bool continues = known.size != 0 && known.size <= version.size && (!large || known.told) &&
                         begins_with(file, known.size, known.beginning);
  const Result<Digest> now = digest_of_beginning(file, version.size);
  if (!now) return kNot;
  known = {version.size, *now, known.told && continues, 0};
  const uint64_t per_second = large ? kSentPerSecondMax : kHashedPerSecondMax;
  known.look_at_ns =
      now_ns +
      std::max(kGrowingEveryNs, static_cast<int64_t>(version.size * 1'000'000'000 / per_second));
  if (!continues) return kNot;
  known.told = true;
  // What was written just now may be written to again without another ctime.
  if (!large && now_ns - version.ctime_ns >= kRestNs) {
    sent_.note_body(version, {tree::BodyKind::kChunked, std::string(now->view())});
  }
  return {true, version.size};
}

}  // namespace devrun::home
