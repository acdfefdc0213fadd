#include "agent/home/home_call.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "agent/home/bounded_queue.h"
#include "agent/home/home_stream.h"
#include "common/base/log.h"
#include "common/runtime/fd.h"
#include "common/tree/body_copy.h"
#include "common/tree/codec.h"
#include "common/tree/holes.h"
#include "common/tree/stat_values.h"
#include "common/wire/error.h"
#include "common/wire/job.h"

namespace devrun::home {

namespace pb = devrun::v1;

namespace {

constexpr size_t kEntriesBytesMax = 1 << 20;     // of a message, but for its last entry
constexpr uint64_t kHashedBytesMax = 128 << 20;  // between two messages: silence looks like death
constexpr size_t kBlocksAheadMax = 4;
constexpr size_t kBlocksMax = kBlocksAheadMax + 4;  // with those that are being read, and written
constexpr size_t kSmallBlockBytes = 64 << 10;       // has memory of its own
static_assert(kBlockBytes == tree::kChunkBytes);
constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOATIME;
constexpr size_t kWantedAheadMax = size_t{1}
                                   << 24;  // messages of the controller's: no bound in practice

// A file whose bytes may be asked for.
struct Offered {
  uint64_t place = 0;  // among all entries of the round
  std::string path;
  FileVersion version;
  bool grows = false;
  bool unnamed = false;
};

FileVersion version_of(const struct stat& st) {
  return {st.st_ino, tree::nanoseconds(st.st_ctim), static_cast<uint64_t>(st.st_size)};
}

FileVersion version_of(const tree::Entry& entry) {
  return {entry.inode, entry.ctime_ns, entry.size};
}

void put_entry(const UpperItem& item, const tree::Body& body, pb::HomeEntry& out) {
  const tree::Entry& entry = item.entry;
  out.set_path(item.path);
  out.set_whiteout(item.whiteout);
  if (item.whiteout) return;
  out.set_opaque(item.opaque);
  out.set_redirect(item.redirect);
  out.set_metacopy(item.metacopy);
  out.set_copied_up(item.copied_up);
  pb::Entry& to = *out.mutable_entry();
  to.set_type(static_cast<pb::EntryType>(entry.type));
  to.set_mode(entry.mode);
  to.set_uid(entry.uid);
  to.set_gid(entry.gid);
  to.set_size(entry.size);
  to.set_mtime_ns(entry.mtime_ns);
  to.set_ctime_ns(entry.ctime_ns);
  to.set_inode(entry.inode);
  if (entry.links > 1) to.set_links(entry.links);
  to.set_device(entry.device);
  to.set_link_target(entry.link_target);
  if (body != tree::Body{}) {
    to.set_body(std::string(1, static_cast<char>(body.kind)) + body.id);
  }
  for (const tree::Xattr& xattr : entry.xattrs) {
    pb::Xattr& x = *to.add_xattrs();
    x.set_name(xattr.name);
    x.set_value(xattr.value);
  }
}

Error changed(std::string_view path) {
  return Error{Code::kConflict, fmt::format("/{} changed while it was sent", path), {}};
}

}  // namespace

// One call under way. The three threads meet at the queues alone; `offered_` is complete before `files` looks into it.
class HomeCall::Sending {
 public:
  Sending(const std::shared_ptr<grpc::Channel>& controller, grpc::ClientContext& context,
          const Round& round)
      : round_(round), context_(context), stream_(controller, context) {}

  Result<std::optional<HomeSummary>> run(const std::optional<UpperItem>& first);

 private:
  struct Named {
    tree::Body body;
    bool unnamed = false;
  };
  // A block; or the place of a file that is not sent.
  struct Outgoing {
    Block block;
    std::optional<uint64_t> unsent = {};
  };

  Status tell_all(const std::optional<UpperItem>& first);
  bool write_reads();
  Status tell(const UpperItem& item);
  Result<Named> name(const UpperItem& item);
  Status flush();
  Status send_blocks();
  void listen();
  void read_files();
  Status read_file(const Offered& file, bool skips_holes);
  Result<Block> read_block(int fd, const Offered& file, uint64_t at);
  bool is_still(int file, const Offered& offered) const;
  Status unsent(const Offered& file);
  Status push(Outgoing next);

  const Round& round_;
  grpc::ClientContext& context_;
  HomeStream stream_;

  pb::HomeUp entries_;
  size_t entries_bytes_ = 0;
  uint64_t hashed_bytes_ = 0;  // since the last message
  uint64_t told_ = 0;
  std::vector<Offered> offered_;       // by place
  std::vector<FileVersion> versions_;  // of regular files and links that were told
  std::vector<std::pair<FileVersion, tree::Body>> hashed_;  // while they were sent

  BoundedQueue<pb::HomeDown> wanted_{kWantedAheadMax};
  BoundedQueue<Outgoing> blocks_{kBlocksAheadMax};
  const std::shared_ptr<BlockMemory> memory_ = BlockMemory::make(kBlocksMax);
  Status files_failed_ = ok();         // of read_files
  std::optional<HomeSummary> result_;  // of listen
};

Result<std::optional<HomeSummary>> HomeCall::Sending::run(const std::optional<UpperItem>& first) {
  std::thread listening([this] { listen(); });
  Status told = tell_all(first);
  std::thread reading;
  if (told) {
    reading = std::thread([this] { read_files(); });
    told = send_blocks();
  }
  if (!told && told.error().code != Code::kUnavailable) context_.TryCancel();
  blocks_.close();
  memory_->close();
  wanted_.close();
  // Ours is all said, or nobody listens: the controller's last words are its status.
  stream_.writes_done();
  listening.join();
  if (reading.joinable()) reading.join();
  const grpc::Status status = stream_.finish();
  if (!files_failed_) return files_failed_.error();
  if (!told && told.error().code != Code::kUnavailable) return told.error();
  if (!status.ok()) {
    return wire::error_of_call(static_cast<int>(status.error_code()), status.error_message(),
                               status.error_details());
  }
  if (!result_)
    return Error{Code::kUnavailable, "the controller ended the call without a word", {}};
  for (const auto& [version, body] : hashed_) round_.sent.note_body(version, body);
  for (const FileVersion& version : versions_) round_.sent.note_told(version);
  return result_;
}

bool HomeCall::Sending::write_reads() {
  for (size_t at = 0; at < round_.reads.size(); at += kBlockBytes) {
    pb::HomeUp message;
    const std::string piece = round_.reads.substr(at, kBlockBytes);
    round_.failed ? message.set_failed_reads(piece) : message.set_reads(piece);
    if (!stream_.write(message)) return false;
  }
  return true;
}

Status HomeCall::Sending::tell_all(const std::optional<UpperItem>& first) {
  pb::HomeUp start;
  *start.mutable_start()->mutable_key() = wire::to_proto(round_.key);
  start.mutable_start()->set_final(round_.final);
  const Error broken{Code::kUnavailable, "the call broke", {}};
  if (!stream_.write(start)) return broken;
  if (!write_reads()) return broken;
  if (first) TRY(tell(*first));
  while (const std::optional<UpperItem> item = TRY(round_.reader.next())) TRY(tell(*item));
  TRY(flush());
  pb::HomeUp listed;
  listed.set_listed(true);
  if (!stream_.write(listed)) return broken;
  return ok();
}

Status HomeCall::Sending::tell(const UpperItem& item) {
  Named named;
  const bool regular = !item.whiteout && item.entry.type == tree::EntryType::kRegular;
  if (regular && !item.metacopy && item.entry.size > 0) {
    Result<Named> found = name(item);
    // It has gone or changed since it was seen. What has ended changes no more.
    const bool left_out = !found && !round_.final && found.error().code == Code::kConflict;
    if (left_out) return ok();
    named = TRY(std::move(found));
    if (named.unnamed || named.body.kind == tree::BodyKind::kChunked) {
      offered_.push_back({told_, item.path, version_of(item.entry), item.grows, named.unnamed});
    }
  }
  if (!round_.final && (regular || item.entry.type == tree::EntryType::kSymlink)) {
    versions_.push_back(version_of(item.entry));
  }
  pb::HomeEntry& out = *entries_.mutable_entries()->add_entries();
  put_entry(item, named.body, out);
  out.set_unnamed(named.unnamed);
  ++told_;
  entries_bytes_ += out.ByteSizeLong() + 8;
  const bool enough = entries_bytes_ >= kEntriesBytesMax || hashed_bytes_ >= kHashedBytesMax;
  return enough ? flush() : ok();
}

Result<HomeCall::Sending::Named> HomeCall::Sending::name(const UpperItem& item) {
  const FileVersion version = version_of(item.entry);
  const bool is_inline = version.size <= tree::kInlineBytesMax;
  if (!is_inline) {
    if (std::optional<tree::Body> known = round_.sent.body(version)) return Named{*known};
    if (version.size >= kUnnamedBytesMin) return Named{{}, true};
  }
  const Result<UniqueFd> opened = open_below(round_.reader.root(), item.path, kReadFlags);
  if (!opened && opened.error().code == Code::kNotFound) return changed(item.path);
  if (!opened) return opened.error();
  const UniqueFd& file = *opened;
  const Offered offered{0, item.path, version, item.grows};
  if (!is_still(file.get(), offered)) return changed(item.path);
  if (is_inline) {
    Named out{{tree::BodyKind::kInline, TRY(tree::read_start(file.get(), version.size))}};
    return is_still(file.get(), offered) ? Result<Named>(std::move(out)) : changed(item.path);
  }
  Named out{tree::chunked_body(TRY(tree::hash_chunks(file.get(), version.size)))};
  if (!is_still(file.get(), offered)) return changed(item.path);
  hashed_bytes_ += version.size;
  if (!item.grows) round_.sent.note_body(version, out.body);
  return out;
}

bool HomeCall::Sending::is_still(int file, const Offered& offered) const {
  struct stat st {};
  if (::fstat(file, &st) != 0) return false;
  const FileVersion now = version_of(st);
  if (!offered.grows) return now == offered.version;
  return now.inode == offered.version.inode && now.size >= offered.version.size;
}

Status HomeCall::Sending::flush() {
  if (entries_bytes_ == 0) return ok();
  const bool written = stream_.write(entries_);
  entries_.mutable_entries()->clear_entries();
  entries_bytes_ = 0;
  hashed_bytes_ = 0;
  return written ? ok() : Status(Error{Code::kUnavailable, "the call broke", {}});
}

// Until the controller has said its last word.
Status HomeCall::Sending::send_blocks() {
  while (std::optional<Outgoing> next = blocks_.pop()) {
    bool written = false;
    if (next->unsent) {
      pb::HomeUp message;
      message.set_unsent(*next->unsent);
      written = stream_.write(message);
    } else {
      written = stream_.write(std::move(next->block));
    }
    if (!written) return Error{Code::kUnavailable, "the call broke", {}};
  }
  return ok();
}

void HomeCall::Sending::listen() {
  pb::HomeDown down;
  while (stream_.read(down)) {
    if (down.has_result()) {
      result_ = wire::from_proto(down.result());
    } else if (down.has_wanted()) {
      wanted_.push(std::move(down));
      down.Clear();
    }
    if (result_) break;
  }
  wanted_.close();
}

// ── the files ───────────────────────────────────────────────────────────────────────────────────

void HomeCall::Sending::read_files() {
  while (std::optional<pb::HomeDown> wanted = wanted_.pop()) {
    for (const uint64_t place : wanted->wanted().entries()) {
      const auto file = std::ranges::lower_bound(offered_, place, {}, &Offered::place);
      const bool known = file != offered_.end() && file->place == place;
      Status sent =
          known ? read_file(*file, wanted->wanted().zeros())
                : Error{Code::kInternal,
                        fmt::format("the controller asks for entry {}, which has no bytes", place),
                        {}};
      if (sent) continue;
      if (sent.error().code != Code::kCancelled) {
        files_failed_ = std::move(sent);
        context_.TryCancel();
      }
      wanted_.close();
      blocks_.close();
      return;
    }
  }
  blocks_.close();
}

Status HomeCall::Sending::unsent(const Offered& file) {
  return round_.final ? changed(file.path) : push({{}, file.place});
}

// The last block waits for a second look at the file.
Status HomeCall::Sending::read_file(const Offered& file, bool skips_holes) {
  const Result<UniqueFd> opened = open_below(round_.reader.root(), file.path, kReadFlags);
  if (!opened && opened.error().code == Code::kNotFound) return unsent(file);
  if (!opened) return opened.error();
  const int fd = opened->get();
  if (!is_still(fd, file)) return unsent(file);
  const uint64_t size = file.version.size;
  const bool hashes = file.unnamed && !round_.final && !file.grows;
  std::string chunks;
  tree::Holes holes(fd, size);
  for (uint64_t at = 0; at < size;) {
    uint64_t zeros = 0;
    for (const uint64_t hole = skips_holes ? holes.at(at) : 0; hole - zeros >= kBlockBytes;) {
      if (hashes) chunks += tree::hash_of_zero_chunk();
      zeros += kBlockBytes;
    }
    Result<Block> block = read_block(fd, file, at + zeros);
    if (!block && block.error().code == Code::kConflict) return unsent(file);
    if (!block) return block.error();
    if (hashes && block->bytes > 0)
      chunks += tree::sha256({block->data.get(), block->bytes}).view();
    at += zeros + block->bytes;
    block->zeros = zeros;
    block->last = at == size;
    if (block->last && !is_still(fd, file)) return unsent(file);
    TRY(push({std::move(*block)}));
  }
  if (hashes) hashed_.emplace_back(file.version, tree::chunked_body(chunks));
  return ok();
}

// One chunk at most, none at the end; kConflict if the file is shorter.
Result<Block> HomeCall::Sending::read_block(int fd, const Offered& file, uint64_t at) {
  Block out;
  out.entry = file.place;
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(kBlockBytes, file.version.size - at));
  if (bytes <= kSmallBlockBytes) {
    out.data.reset(new char[std::max<size_t>(bytes, 1)], std::default_delete<char[]>());
  } else {
    out.data = memory_->take();
    if (!out.data) return Error{Code::kCancelled, "the call is over", {}};
  }
  while (out.bytes < bytes) {
    const ssize_t n = ::pread(fd, out.data.get() + out.bytes, bytes - out.bytes,
                              static_cast<off_t>(at + out.bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read /" + file.path, errno);
    if (n == 0) return changed(file.path);
    out.bytes += static_cast<size_t>(n);
  }
  return out;
}

Status HomeCall::Sending::push(Outgoing next) {
  if (blocks_.push(std::move(next))) return ok();
  return Error{Code::kCancelled, "the call is over", {}};
}

// ── the call ────────────────────────────────────────────────────────────────────────────────────

Result<std::optional<HomeSummary>> HomeCall::run(const Round& round) {
  const std::optional<UpperItem> first = TRY(round.reader.next());
  if (!first && round.reads.empty()) return std::optional<HomeSummary>();
  grpc::ClientContext context;
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) return Error{Code::kCancelled, "stopped", {}};
    context_ = &context;
  }
  Result<std::optional<HomeSummary>> out = Sending(controller_, context, round).run(first);
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
  if (cancelled_) return Error{Code::kCancelled, "stopped", {}};
  return out;
}

void HomeCall::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

}  // namespace devrun::home
