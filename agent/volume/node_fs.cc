#include "agent/volume/node_fs.h"

#include <fmt/format.h>

#include "common/base/log.h"

namespace devrun::volume {

Result<std::unique_ptr<NodeFs>> NodeFs::start(std::unique_ptr<ObjectStore> store,
                                              std::unique_ptr<DiskCache> cache,
                                              std::unique_ptr<NodeState> state, Mount plain,
                                              Mount xattr, Options options) {
  std::unique_ptr<NodeFs> fs(
      new NodeFs(std::move(store), std::move(cache), std::move(state), std::move(options)));
  TRY(fs->recover());
  const auto open = [&](Mount& mount, bool xattrs) {
    return FuseFront::open(
        std::move(mount.fd), fs->vfs_, fs->state_->mount(xattrs),
        {.xattrs = xattrs, .mounted_at = mount.mounted_at, .resend = fs->options_.resend});
  };
  fs->plain_ = TRY(open(plain, false));
  fs->xattr_ = TRY(open(xattr, true));
  fs->control_ = TRY(Control::open(
      fs->options_.control_socket,
      {.prepare = [raw = fs.get()](const wire::FsPrepareTree& call) { return raw->prepare(call); },
       .count = [raw = fs.get()] { return raw->count(); }}));
  for (FuseFront* front : {fs->plain_.get(), fs->xattr_.get()}) {
    fs->loops_.emplace_back([front] {
      const Status served = front->serve();
      if (!served) log::error("{}", served.error().message);
    });
  }
  return fs;
}

Status NodeFs::recover() {
  if (state_->event_count() == 0) return ok();
  const auto began = std::chrono::steady_clock::now();
  Status recovered = vfs_.recover();
  if (!recovered) return std::move(recovered).error().context("taking the mounts over");
  const auto took = std::chrono::steady_clock::now() - began;
  log::info("knows {} trees and {} nodes again, after {} ms", vfs_.trees().size(),
            state_->node_count(),
            std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  return ok();
}

NodeFs::~NodeFs() {
  loops_.clear();
  control_.reset();
  store_->close();  // what reads still wait for
}

void NodeFs::wait() {
  loops_.clear();
}

Result<std::string> NodeFs::prepare(const wire::FsPrepareTree& call) {
  if (!call.change_sets.empty()) {
    return Error{Code::kUnsupported, "this devrun-fs knows no change sets", "update the node"};
  }
  const bool known = vfs_.prepared(call.tree).has_value();
  const auto deadline = std::chrono::steady_clock::now() + options_.prepare_time_max;
  const Vfs::Prepared prepared = TRY(vfs_.prepare(call.tree, deadline));
  FuseFront& front = prepared.has_xattrs ? *xattr_ : *plain_;
  if (!known) front.root_changed();
  return fmt::format("{}/{}", front.options().mounted_at, call.tree.hex());
}

std::map<std::string, uint64_t> NodeFs::count() const {
  std::map<std::string, uint64_t> out;
  plain_->count(out);
  xattr_->count(out);
  vfs_.count(out);
  store_->count(out);
  return out;
}

}  // namespace devrun::volume
