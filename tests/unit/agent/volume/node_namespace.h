// A node for tests: a mount namespace as devrun-keeper makes it, with devrun-fs in this process.
// All of it vanishes with the thread that ran the test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "agent/volume/node_fs.h"
#include "common/model/job.h"

namespace devrun::volume {

// Runs `body` on a thread with a mount namespace of its own; its propagation towards the outside is
// a slave's.
void in_own_namespace(const std::function<void()>& body);

// A folder that goes at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string path(const std::string& below = {}) const;

 private:
  std::filesystem::path path_;
};

// devrun-fs over `store`, mounted below `folder`. Only within in_own_namespace.
class TestNode {
 public:
  TestNode(std::unique_ptr<ObjectStore> store, const TemporaryFolder& folder,
           std::unique_ptr<DiskCache> cache = nullptr);
  ~TestNode();  // unmounts and waits for the end of all threads

  std::string prepare(const Digest& tree);         // through the control socket
  std::string prepare_layers(const Digest& tree);  // what overlay() takes to show it in layers
  // overlay of a tree, with upper and work in a new folder; where it is mounted.
  std::string overlay(const std::string& lower, const std::string& name);
  std::map<std::string, uint64_t> count() const;
  const std::string& control() const { return control_; }

 private:
  const TemporaryFolder& folder_;
  std::string control_;
  std::unique_ptr<NodeFs> fs_;
  std::vector<std::string> overlays_;
};

Root root_of(const Digest& tree, std::vector<Digest> change_sets = {});
std::string read_all(const std::string& path);
std::string long_text(size_t size, char seed);

}  // namespace devrun::volume
