// Directory listings and extended attributes as FUSE wants them.
//
// READDIRPLUS enters every name into the kernel's caches as LOOKUP does, so that `ls -l` or `find
// -newer` needs no upcall a file; the kernel asks for it by its own guess of who will need
// attributes (READDIRPLUS_AUTO).
#include <cerrno>
#include <cstring>

#include "agent/volume/fuse_handlers.h"
#include "agent/volume/fuse_values.h"

namespace devrun::volume {

namespace {

// A reply being filled.
class Page {
 public:
  Page(fuse_req_t request, size_t size, bool with_attributes)
      : request_(request), bytes_(size, '\0'), with_attributes_(with_attributes) {}

  // False: no room.
  bool add(const Listed& listed) {
    name_.assign(listed.name);
    char* const at = bytes_.data() + filled_;
    const size_t room = bytes_.size() - filled_;
    fuse_entry_param entry = entry_param(listed.node, listed.attributes);
    const auto next = static_cast<off_t>(listed.next);
    const size_t needed =
        with_attributes_ ? fuse_add_direntry_plus(request_, at, room, name_.c_str(), &entry, next)
                         : fuse_add_direntry(request_, at, room, name_.c_str(), &entry.attr, next);
    if (needed > room) return false;
    filled_ += needed;
    if (with_attributes_ && listed.node != 0 &&
        listed.attributes.type == tree::EntryType::kRegular) {
      files_.push_back(listed.node);
    }
    return true;
  }
  void reply() { fuse_reply_buf(request_, bytes_.data(), filled_); }
  // Which the kernel knows once it has the reply.
  const std::vector<NodeId>& files() const { return files_; }

 private:
  fuse_req_t request_;
  std::string bytes_;
  std::string name_;
  size_t filled_ = 0;
  std::vector<NodeId> files_;
  const bool with_attributes_;
};

// The mount's own root: the trees that are prepared.
void list_root(Vfs& vfs, bool has_xattrs, uint64_t from, Page& page) {
  const std::vector<Vfs::Tree> trees = vfs.trees();
  Attributes self;
  self.inode = kRootNode;
  if (from == 0 && !page.add({".", self, 0, 1})) return;
  if (from <= 1 && !page.add({"..", self, 0, 2})) return;
  for (uint64_t i = from < 2 ? 0 : from - 2; i < trees.size(); ++i) {
    if (trees[i].prepared.has_xattrs != has_xattrs) continue;
    const std::string name = trees[i].id.hex();
    const Result<Attributes> attributes = vfs.attributes(trees[i].prepared.root);
    if (!attributes) continue;
    if (!page.add({name, *attributes, trees[i].prepared.root, i + 3})) return;
  }
}

// Sizes first, then bytes, as getxattr(2) does.
void reply_xattr_bytes(fuse_req_t request, std::string_view bytes, size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, bytes.size());
  } else if (bytes.size() > size) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, bytes.data(), bytes.size());
  }
}

// What overlayfs would take for its own instructions never comes from a snapshot.
bool is_shown(std::string_view xattr) {
  return !xattr.starts_with("trusted.overlay.") && !xattr.starts_with("user.overlay.");
}

}  // namespace

void FuseFront::Handlers::list(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                               bool with_attributes) {
  FuseFront* front = front_of(request);
  Page page(request, size, with_attributes);
  const auto from = static_cast<uint64_t>(offset);
  if (node == kRootNode) {
    list_root(front->vfs_, front->options_.xattrs, from, page);
  } else {
    // An entry without a node is a name alone, also in a listing with attributes.
    const bool names_alone = front->options_.listed && front->options_.listed(node);
    const Status listed = front->vfs_.list(node, from, with_attributes && !names_alone,
                                           [&](const Listed& entry) { return page.add(entry); });
    if (!listed) {
      fuse_reply_err(request, errno_of(listed.error()));
      return;
    }
  }
  page.reply();
  for (const NodeId file : page.files()) front->tell_known(file);
}

void FuseFront::Handlers::readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                                  fuse_file_info*) {
  front_of(request)->upcalls_.readdir += 1;
  list(request, node, size, offset, false);
}

void FuseFront::Handlers::readdirplus(fuse_req_t request, fuse_ino_t node, size_t size,
                                      off_t offset, fuse_file_info*) {
  front_of(request)->upcalls_.readdirplus += 1;
  list(request, node, size, offset, true);
}

void FuseFront::Handlers::getxattr(fuse_req_t request, fuse_ino_t node, const char* name,
                                   size_t size) {
  FuseFront* front = front_of(request);
  front->upcalls_.getxattr += 1;
  if (node != kRootNode && is_shown(name)) {
    const Result<std::vector<tree::Xattr>> xattrs = front->vfs_.xattrs(node);
    if (!xattrs) {
      fuse_reply_err(request, errno_of(xattrs.error()));
      return;
    }
    for (const tree::Xattr& xattr : *xattrs) {
      if (xattr.name != name) continue;
      reply_xattr_bytes(request, xattr.value, size);
      return;
    }
  }
  fuse_reply_err(request, ENODATA);
}

void FuseFront::Handlers::listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  FuseFront* front = front_of(request);
  front->upcalls_.listxattr += 1;
  std::string names;
  if (node != kRootNode) {
    const Result<std::vector<tree::Xattr>> xattrs = front->vfs_.xattrs(node);
    if (!xattrs) {
      fuse_reply_err(request, errno_of(xattrs.error()));
      return;
    }
    for (const tree::Xattr& xattr : *xattrs) {
      if (is_shown(xattr.name)) names.append(xattr.name).push_back('\0');
    }
  }
  reply_xattr_bytes(request, names, size);
}

}  // namespace devrun::volume
