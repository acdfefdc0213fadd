// Trees of everything that a file system can hold, at random by a seed, and edits of them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace devrun::property {

class RandomTree {
 public:
  // `root` is an empty folder. Needs root: it makes devices and changes owners.
  RandomTree(std::string root, uint64_t seed) : root_(std::move(root)), random_(seed) {
    folders_.emplace_back();
  }

  // One more entry of a random kind with random attributes.
  void add();
  // Something else happens to something that is there.
  void edit();
  // A chain of folders whose path is longer than the kernel takes in one call, with a file at its
  // end.
  void add_deep(size_t path_bytes);

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  std::string bytes(size_t count, bool zero);
  std::string new_path();
  const std::string& some(const std::vector<std::string>& from) { return from[below(from.size())]; }
  std::string at(const std::string& path) const { return root_ + "/" + path; }
  void write_regular(const std::string& path);
  void attribute(const std::string& path);
  void set_xattrs(const std::string& path, bool regular, bool user);
  void set_times(const std::string& path);

  const std::string root_;
  std::mt19937_64 random_;
  std::vector<std::string> folders_;  // relative to the root; "" is the root
  std::vector<std::string> regular_;
  std::vector<std::string> all_;
};

}  // namespace devrun::property
