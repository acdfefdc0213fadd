#include "agent/volume/fuse_handlers.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "agent/volume/fuse_values.h"
#include "common/base/check.h"
#include "common/base/log.h"

namespace devrun::volume {

namespace {

constexpr size_t kNameBytesMax = 255;
constexpr unsigned kBackgroundMax = 256;  // reads that the kernel may have under way

}  // namespace

fuse_lowlevel_ops FuseFront::Handlers::operations(const Options& options) {
  fuse_lowlevel_ops out{};
  out.init = init;
  out.lookup = lookup;
  out.getattr = getattr;
  out.readlink = readlink;
  out.open = open;
  out.opendir = opendir;
  out.read = read;
  out.lseek = lseek;
  out.flush = flush;
  out.readdir = readdir;
  if (options.list_with_attributes) out.readdirplus = readdirplus;
  out.statfs = statfs;
  // Without them libfuse answers ENOSYS, and the kernel does not ask again.
  if (options.xattrs) {
    out.getxattr = getxattr;
    out.listxattr = listxattr;
  }
  // No forget: nodes stay (node_table.h says why).
  return out;
}

void FuseFront::Handlers::init(void* self, fuse_conn_info* connection) {
  const auto* front = static_cast<FuseFront*>(self);
  const auto want = [&](unsigned flag) { connection->want |= connection->capable & flag; };
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
  // With it, who reads past the page cache waits for the answer where no signal reaches, not even KILL.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_ASYNC_DIO);
  want(FUSE_CAP_CACHE_SYMLINKS);
  want(FUSE_CAP_PARALLEL_DIROPS);
  want(FUSE_CAP_ASYNC_READ);
  want(FUSE_CAP_EXPORT_SUPPORT);  // for overlay's index of hard links
  if (front->options_.xattrs) want(FUSE_CAP_POSIX_ACL);
  if ((connection->capable & FUSE_CAP_NO_OPEN_SUPPORT) == 0 ||
      (connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) == 0) {
    log::warning("this kernel asks for every open: reading many small files will be slower");
  }
  connection->max_background = kBackgroundMax;
  connection->congestion_threshold = kBackgroundMax;
  connection->max_readahead = std::numeric_limits<unsigned>::max();
}

void FuseFront::Handlers::lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  FuseFront* front = front_of(request);
  front->upcalls_.lookup += 1;
  const std::string_view text(name);
  if (text.size() > kNameBytesMax) {
    fuse_reply_err(request, ENAMETOOLONG);
    return;
  }
  if (parent == kRootNode) {
    const std::optional<Digest> tree = Digest::from_hex(text);
    const std::optional<Vfs::Prepared> prepared = tree ? front->vfs_.prepared(*tree) : std::nullopt;
    if (!prepared || prepared->has_xattrs != front->options_.xattrs) {
      fuse_reply_err(request, ENOENT);  // not kept: it may be prepared any moment
      return;
    }
    const Result<Attributes> attributes = front->vfs_.attributes(prepared->root);
    CHECK(attributes.has_value());
    const fuse_entry_param found = entry_param(prepared->root, *attributes);
    fuse_reply_entry(request, &found);
    return;
  }
  if (text == ".") {
    // By its number, as the handle of a file that the kernel has forgotten names it (FUSE_CAP_EXPORT_SUPPORT).
    const Result<Attributes> self = front->vfs_.attributes(parent);
    if (!self) {
      fuse_reply_err(request, ESTALE);
      return;
    }
    const fuse_entry_param known = entry_param(parent, *self);
    fuse_reply_entry(request, &known);
    return;
  }
  if (front->options_.looked_up) front->options_.looked_up(parent, text);
  const Result<std::optional<Found>> found = front->vfs_.lookup(parent, text);
  if (!found) {
    fuse_reply_err(request,
                   found.error().code == Code::kInvalid ? ENOTDIR : errno_of(found.error()));
    return;
  }
  const fuse_entry_param entry =
      *found ? entry_param((*found)->node, (*found)->attributes) : missing_for_ever();
  fuse_reply_entry(request, &entry);
  if (*found && (*found)->attributes.type == tree::EntryType::kRegular)
    front->tell_known(entry.ino);
}

void FuseFront::Handlers::getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  FuseFront* front = front_of(request);
  front->upcalls_.getattr += 1;
  if (node == kRootNode) {
    const struct stat st = root_stat();
    fuse_reply_attr(request, &st, kForEverSeconds);
    return;
  }
  const Result<Attributes> attributes = front->vfs_.attributes(node);
  if (!attributes) {
    fuse_reply_err(request, errno_of(attributes.error()));
    return;
  }
  const struct stat st = stat_of(*attributes);
  fuse_reply_attr(request, &st, kForEverSeconds);
}

void FuseFront::Handlers::readlink(fuse_req_t request, fuse_ino_t node) {
  FuseFront* front = front_of(request);
  front->upcalls_.readlink += 1;
  const Result<std::string> target = front->vfs_.link_target(node);
  if (!target) {
    fuse_reply_err(request, errno_of(target.error()));
    return;
  }
  fuse_reply_readlink(request, target->c_str());
}

void FuseFront::Handlers::open(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  front_of(request)->upcalls_.open += 1;
  fuse_reply_err(request, ENOSYS);
}

void FuseFront::Handlers::opendir(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  front_of(request)->upcalls_.opendir += 1;
  fuse_reply_err(request, ENOSYS);
}

// Only SEEK_DATA and SEEK_HOLE come here.
void FuseFront::Handlers::lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
                                fuse_file_info*) {
  FuseFront* front = front_of(request);
  front->upcalls_.lseek += 1;
  front->reads_.seek(request, node, static_cast<uint64_t>(offset), whence == SEEK_HOLE);
}

void FuseFront::Handlers::flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  fuse_reply_err(request, ENOSYS);
}

void FuseFront::Handlers::read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                               fuse_file_info*) {
  FuseFront* front = front_of(request);
  front->upcalls_.read += 1;
  if (front->options_.read) front->options_.read(node, static_cast<uint64_t>(offset), size);
  front->reads_.begin(request, node, static_cast<uint64_t>(offset), size);
}

void FuseFront::Handlers::statfs(fuse_req_t request, fuse_ino_t) {
  front_of(request)->upcalls_.statfs += 1;
  struct statvfs out {};
  out.f_bsize = 4096;
  out.f_frsize = 4096;
  out.f_namemax = kNameBytesMax;
  fuse_reply_statfs(request, &out);
}

}  // namespace devrun::volume
