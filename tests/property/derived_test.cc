// A derived snapshot, end to end on the tree format: a setup runs over a snapshot in an overlay, what
// it wrote is laid over a later snapshot of the volume, and devrun-fs's file system shows the volume
// as if the setup had run in it.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/volume/host_store.h"
#include "agent/volume/vfs.h"
#include "common/runtime/file.h"
#include "common/tree/merge.h"
#include "common/tree/upper.h"
#include "controller/storage/bodies.h"
#include "controller/storage/export_files.h"
#include "controller/storage/storage.h"
#include "controller/storage/tree_objects.h"
#include "tests/unit/common/tree/upper_reader.h"
#include "tests/unit/controller/storage/driver_fixture.h"

namespace devrun::property {
namespace {

namespace fs = std::filesystem;
using storage::shell;

constexpr tree::Lineage kMerge{7};

// Objects of several trees, and those that were made of them.
class Objects : public tree::DirectoryReader {
 public:
  void add(storage::TreeObjects& published) { published_.push_back(&published); }
  Status add(const tree::Object& object) {
    made_.push_back(object);
    return ok();
  }
  const std::vector<tree::Object>& made() const { return made_; }

  Result<tree::Directory> read(const Digest& id) override {
    for (const tree::Object& object : made_) {
      if (object.id == id) return tree::decode_directory(object.bytes);
    }
    for (storage::TreeObjects* const published : published_) {
      Result<tree::Directory> found = published->read(id);
      if (found) return found;
    }
    return Error{Code::kCorrupt, "no object " + id.hex(), {}};
  }

 private:
  std::vector<storage::TreeObjects*> published_;
  std::vector<tree::Object> made_;
};

class DerivedTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (IsSkipped()) return;
    create("v");
    top_ = store() + "/overlay";
  }

  storage::ExportFiles files() const { return storage::ExportFiles(storage_->export_path()); }

  // What `setup` writes when it runs in an overlay over a copy of the live tree. The overlay is in a
  // mount namespace of the command's own.
  tree::UpperFolder upper_of(const std::string& setup) {
    shell("mkdir -p " + top_ + "/upper " + top_ + "/work " + top_ + "/merged && cp -a " +
          live(".") + " " + top_ + "/lower");
    shell("unshare --mount --propagation private sh -ec 'mount -t overlay overlay -o lowerdir=" +
          top_ + "/lower,upperdir=" + top_ + "/upper,workdir=" + top_ +
          "/work,redirect_dir=on,metacopy=on " + top_ + "/merged; cd " + top_ + "/merged; " +
          setup + "'");
    return tree::read_upper(top_ + "/upper", [&](const fs::path& path) { return put(path); });
  }
  tree::Body put(const fs::path& path) {
    const UniqueFd file = *open_file(path, O_RDONLY);
    const Result<tree::Body> body =
        bodies_->take(file.get(), fs::file_size(path), [] { return true; });
    EXPECT_TRUE(body) << body.error().message;
    EXPECT_TRUE(bodies_->sync(bodies_->losses()));
    return body ? *body : tree::Body{};
  }
  // The tree `root`, made of `now` and the new objects, in the store.
  void publish(const tree::Manifest& now, const tree::Entry& root,
               const std::vector<tree::Object>& objects) {
    const auto known = files().known_tree(now);
    ASSERT_TRUE(known) << known.error().message;
    storage::TreeChange change;
    change.root = root;
    change.objects = objects;
    tree::Manifest manifest;
    manifest.volume = "v";
    manifest.lineage = now.lineage;
    manifest.has_xattrs = now.has_xattrs;
    std::vector<std::string> written;
    ASSERT_TRUE(files().publish(*known, change, manifest, false, written));
  }

  std::string top_;
  std::unique_ptr<storage::Bodies> bodies_;
};

// path → what people can tell of it.
using Seen = std::map<std::string, std::string>;

void see(volume::Vfs& vfs, volume::NodeId folder, const std::string& path, Seen& out) {
  const Status listed = vfs.list(folder, 0, true, [&](const volume::Listed& entry) {
    if (entry.name == "." || entry.name == "..") return true;
    out[path + std::string(entry.name)] = std::to_string(entry.node);
    return true;
  });
  ASSERT_TRUE(listed) << listed.error().message;
}

std::string bytes_of(volume::Vfs& vfs, volume::NodeId file, uint64_t size) {
  const auto slices = vfs.read(file, 0, size);
  EXPECT_TRUE(slices) << slices.error().message;
  std::string out;
  if (slices) {
    for (const volume::Slice& slice : *slices) out += slice.bytes;
  }
  return out;
}

void walk(volume::Vfs& vfs, volume::NodeId folder, const std::string& path, Seen& out) {
  Seen names;
  see(vfs, folder, "", names);
  for (const auto& [name, number] : names) {
    const volume::NodeId node = std::stoull(number);
    const volume::Attributes attributes = *vfs.attributes(node);
    std::string& text = out[path + name];
    text = fmt::format("{} {:o} {}:{}", static_cast<int>(attributes.type), attributes.mode,
                       attributes.uid, attributes.gid);
    if (attributes.type == tree::EntryType::kDirectory) walk(vfs, node, path + name + "/", out);
    if (attributes.type == tree::EntryType::kSymlink) text += " " + *vfs.link_target(node);
    if (attributes.type != tree::EntryType::kRegular) continue;
    text += fmt::format(" x{} {} ", attributes.links, attributes.size);
    text += bytes_of(vfs, node, attributes.size);
  }
}

Seen seen_on_disk(const fs::path& folder) {
  Seen out;
  for (const auto& at : fs::recursive_directory_iterator(folder)) {
    const tree::Entry entry = tree::stat_of(at.path());
    std::string& text = out[at.path().lexically_relative(folder)];
    text = fmt::format("{} {:o} {}:{}", static_cast<int>(entry.type), entry.mode, entry.uid,
                       entry.gid);
    if (entry.type == tree::EntryType::kSymlink) text += " " + entry.link_target;
    if (entry.type != tree::EntryType::kRegular) continue;
    text += fmt::format(" x{} {} ", entry.links, entry.size) + tree::read_file(at.path());
  }
  return out;
}

// Writes, replaces, renames, deletes, links; small files and such that are bodies of their own.
constexpr const char* kSetup =
    "mkdir -p venv/bin venv/lib; head -c 300000 /dev/zero | tr \"\\\\0\" x > venv/lib/torch.so; "
    "echo python > venv/bin/python; chmod 755 venv/bin/python; ln -s python venv/bin/python3; "
    "ln venv/lib/torch.so venv/lib/torch.so.1; mv old-name new-name; rm -r gone; "
    "echo 1 >> etc/ld.so.cache; chmod 600 etc/secret; mkdir -p replaced.tmp; echo n > "
    "replaced.tmp/n; "
    "rm -r replaced; mv replaced.tmp replaced";

TEST_P(DerivedTest, SetupLaidOverALaterSnapshotIsSetupRunThere) {
  shell("cd " + live(".") +
        " && mkdir -p etc old-name/deep gone replaced home && echo 0 > etc/ld.so.cache && "
        "echo s > etc/secret && head -c 5000 /dev/urandom > old-name/deep/data && "
        "echo x > gone/x && echo o > replaced/o && echo 'print(1)' > home/train.py");
  const storage::Snapshot before = snapshot();
  bodies_ = std::make_unique<storage::Bodies>(storage_->export_path());
  const tree::UpperFolder upper = upper_of(kSetup);
  // The developer goes on.
  shell("cd " + live(".") +
        " && echo 'print(2)' > home/train.py && mkdir home/new && "
        "head -c 9000 /dev/urandom > home/new/data && rm -f home/none");
  const storage::Snapshot after = snapshot();

  const storage::ExportFiles published = files();
  const tree::Manifest base = *published.manifest(before.tree);
  const tree::Manifest now = *published.manifest(after.tree);
  storage::TreeObjects base_objects(published, base.packs);
  storage::TreeObjects now_objects(published, now.packs);
  Objects objects;
  objects.add(base_objects);
  objects.add(now_objects);
  const auto add = [&](const tree::Object& object) { return objects.add(object); };
  const Result<tree::Entry> left =
      tree::lay_upper(objects, base.root, base.root, upper, base.lineage, add);
  ASSERT_TRUE(left) << left.error().message;
  std::vector<std::string> conflicts;
  const Result<tree::Entry> derived =
      tree::merge_trees({objects, base.root, now.root, *left, base.lineage, kMerge}, add,
                        [&](const tree::Conflict& conflict) {
                          conflicts.push_back(conflict.path);
                          return ok();
                        });
  ASSERT_TRUE(derived) << derived.error().message;
  EXPECT_EQ(conflicts, std::vector<std::string>{});
  publish(now, *derived, objects.made());

  const auto store = *volume::HostStore::open(storage_->export_path());
  const auto state = std::move(*volume::NodeState::create(""));
  volume::Vfs vfs(*store, nullptr, {}, *state);
  const auto prepared =
      vfs.prepare(derived->directory, std::chrono::steady_clock::now() + std::chrono::seconds(60));
  ASSERT_TRUE(prepared) << prepared.error().message;
  Seen shown;
  walk(vfs, prepared->root, "", shown);
  shell("cd " + live(".") + " && " + kSetup);
  EXPECT_EQ(shown, seen_on_disk(live(".")));
  EXPECT_GE(shown.size(), 19U);
}

INSTANTIATE_TEST_SUITE_P(On, DerivedTest, storage::kEveryFileSystem, storage::name_of_parameter);

}  // namespace
}  // namespace devrun::property
