#include "tests/unit/agent/volume/node_namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "agent/keeper/namespace_setup.h"
#include "agent/volume/fs_client.h"
#include "common/runtime/file.h"

namespace devrun::volume {

void in_own_namespace(const std::function<void()>& body) {
  std::jthread([&] {
    const Status entered = keeper::enter_new_namespace();
    ASSERT_TRUE(entered.has_value()) << entered.error().message;
    body();
  }).join();
}

TemporaryFolder::TemporaryFolder() {
  char name[] = "/tmp/devrun-volume-test-XXXXXX";
  EXPECT_NE(::mkdtemp(name), nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::path(const std::string& below) const {
  return below.empty() ? path_.string() : (path_ / below).string();
}

TestNode::TestNode(std::unique_ptr<ObjectStore> store, const TemporaryFolder& folder,
                   std::unique_ptr<DiskCache> cache)
    : folder_(folder), control_(folder.path("fs.sock")) {
  NodeFs::Mount mounts[2];
  const char* const names[] = {"plain", "xattr"};
  for (size_t i = 0; i < 2; ++i) {
    mounts[i].mounted_at = folder.path(names[i]);
    Result<UniqueFd> fd = keeper::mount_fuse(mounts[i].mounted_at, names[i]);
    EXPECT_TRUE(fd.has_value()) << fd.error().message;
    mounts[i].fd = std::move(*fd);
  }
  auto fs = NodeFs::start(
      std::move(store), std::move(cache), std::move(*NodeState::create(folder.path())),
      std::move(mounts[0]), std::move(mounts[1]),
      {.control_socket = control_, .prepare_time_max = std::chrono::seconds(2)});
  EXPECT_TRUE(fs.has_value()) << fs.error().message;
  fs_ = std::move(*fs);
}

TestNode::~TestNode() {
  for (const std::string& overlay : overlays_) ::umount2(overlay.c_str(), MNT_DETACH);
  ::umount2(folder_.path("plain").c_str(), MNT_DETACH);
  ::umount2(folder_.path("xattr").c_str(), MNT_DETACH);
  fs_->wait();
}

std::string TestNode::prepare(const Digest& tree) {
  const auto found = fs_prepare(control_, root_of(tree));
  EXPECT_TRUE(found.has_value()) << found.error().message;
  return found ? found->path : std::string();
}

std::string TestNode::prepare_layers(const Digest& tree) {
  const auto found = fs_prepare(control_, root_of(tree));
  EXPECT_TRUE(found.has_value()) << found.error().message;
  std::string out;
  if (!found) return out;
  for (const std::string& layer : found->layers) out += (out.empty() ? "" : ":") + layer;
  return out;
}

std::string TestNode::overlay(const std::string& lower, const std::string& name) {
  const std::string base = folder_.path("overlay-" + name);
  for (const char* part : {"upper", "work", "root"}) {
    std::filesystem::create_directories(base + "/" + part);
  }
  const std::string options = fmt::format(
      "lowerdir={},upperdir={}/upper,workdir={}/work,index=on,redirect_dir=on,metacopy=off,"
      "xino=auto",
      lower, base, base);
  const std::string root = base + "/root";
  EXPECT_EQ(::mount("overlay", root.c_str(), "overlay", 0, options.c_str()), 0)
      << std::strerror(errno);
  overlays_.push_back(root);
  return root;
}

std::map<std::string, uint64_t> TestNode::count() const {
  return *fs_statistics(control_);
}

Root root_of(const Digest& tree, std::vector<Digest> change_sets) {
  Root out;
  out.tree = tree;
  out.change_sets = std::move(change_sets);
  return out;
}

std::string read_all(const std::string& path) {
  const Result<std::string> bytes = read_file(path);
  return bytes ? *bytes : "error: " + bytes.error().message;
}

std::string long_text(size_t size, char seed) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    out[i] = static_cast<char>(static_cast<size_t>(seed) + (i * 7 + i / 251) % 97);
  }
  return out;
}

}  // namespace devrun::volume
