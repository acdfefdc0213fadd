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
  // Before the fronts, which tell them what is asked.
  fs->prefetcher_ = std::make_unique<Prefetcher>(
      fs->vfs_, [raw = fs.get()](NodeId file, uint64_t offset, const std::vector<Slice>& slices) {
        return raw->store(file, offset, slices);
      });
  fs->guesser_ = std::make_unique<Guesser>(fs->vfs_, *fs->prefetcher_);
  fs->runs_ = std::make_unique<Runs>(fs->vfs_, *fs->prefetcher_, *fs->guesser_, *fs->store_);
  const auto open = [&](Mount& mount, bool xattrs) {
    const FuseFront::Options front = fs->front_options(mount, xattrs);
    return FuseFront::open(std::move(mount.fd), fs->vfs_, fs->state_->mount(xattrs), front);
  };
  fs->plain_ = TRY(open(plain, false));
  fs->xattr_ = TRY(open(xattr, true));
  fs->control_ = TRY(Control::open(
      fs->options_.control_socket,
      {.prepare = [raw = fs.get()](const wire::FsPrepareTree& call) { return raw->prepare(call); },
       .count = [raw = fs.get()] { return raw->count(); },
       .end_run = [raw = fs.get()](const std::string& id) { return raw->runs_->end(id); },
       .watched = [raw = fs.get()](const std::string& id) { return raw->watches_.take(id); }}));
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

FuseFront::Options NodeFs::front_options(const Mount& mount, bool xattrs) {
  FuseFront::Options out;
  out.xattrs = xattrs;
  out.mounted_at = mount.mounted_at;
  out.resend = options_.resend;
  out.known = [this](NodeId file) { prefetcher_->known(file); };
  out.read = [this](NodeId file, uint64_t offset, uint64_t size) {
    prefetcher_->given({file, offset, size});
    runs_->read(file, offset, size);
    guesser_->read(file);
  };
  out.looked_up = [this](NodeId folder, std::string_view name) {
    watches_.looked_up(folder, name);
  };
  out.listed = [this](NodeId folder) { return watches_.listed(folder); };
  return out;
}

// A file that trees with and without xattrs share is in both mounts.
bool NodeFs::store(NodeId file, uint64_t offset, const std::vector<Slice>& slices) {
  const bool in_plain = plain_->store(file, offset, slices);
  const bool in_xattr = xattr_->store(file, offset, slices);
  return in_plain || in_xattr;
}

NodeFs::~NodeFs() {
  loops_.clear();
  control_.reset();
  // If they were made: start() may have failed before.
  if (guesser_) guesser_->stop();
  if (runs_) runs_->stop();
  if (prefetcher_) prefetcher_->stop();
  store_->close();  // what reads still wait for
}

void NodeFs::wait() {
  loops_.clear();
}

Result<wire::FsTreePath> NodeFs::prepare(const wire::FsPrepareTree& call) {
  if (!call.change_sets.empty()) {
    return Error{Code::kUnsupported, "this devrun-fs knows no change sets", "update the node"};
  }
  const bool known = vfs_.prepared(call.tree).has_value();
  const auto deadline = std::chrono::steady_clock::now() + options_.prepare_time_max;
  const Vfs::Prepared prepared = TRY(vfs_.prepare(call.tree, deadline));
  FuseFront& front = prepared.has_xattrs ? *xattr_ : *plain_;
  if (!known) front.root_changed();
  if (!call.run.id.empty()) runs_->begin(call.run.id, prepared.root, call.run.traces);
  if (!call.watch.empty()) {
    Result<wire::FsTreePath> watched = show_watched(call, front);
    const Code code = watched ? Code::kInternal : watched.error().code;
    if (code != Code::kExhausted && code != Code::kUnsupported) return watched;
    // The step runs all the same, and nothing is concluded from it.
    log::warning("{} is not watched: {}", call.watch, watched.error().message);
  }
  const auto path_of = [&](const Digest& tree) {
    return fmt::format("{}/{}", front.options().mounted_at, tree.hex());
  };
  wire::FsTreePath out{path_of(call.tree)};
  for (const Digest& layer : vfs_.layers(call.tree)) out.layers.push_back(path_of(layer));
  return out;
}

// One layer: what lies below would answer in its place. A tree that was shown before this devrun-fs began is not watched
// any more, since the kernel knows much of it.
Result<wire::FsTreePath> NodeFs::show_watched(const wire::FsPrepareTree& call, FuseFront& front) {
  const Vfs::Watched watched = TRY(vfs_.watched_tree(call.tree, call.watch));
  if (watched.fresh) {
    front.root_changed();
    watches_.begin(call.watch, vfs_.prepared(watched.tree)->root);
  }
  return wire::FsTreePath{fmt::format("{}/{}", front.options().mounted_at, watched.tree.hex())};
}

std::map<std::string, uint64_t> NodeFs::count() const {
  std::map<std::string, uint64_t> out;
  plain_->count(out);
  xattr_->count(out);
  vfs_.count(out);
  prefetcher_->count(out);
  runs_->count(out);
  store_->count(out);
  return out;
}

}  // namespace devrun::volume
