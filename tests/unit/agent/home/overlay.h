// A real overlay of the kernel's, mounted as attempts have it, in a mount namespace of this process's own; and what a reader tells
// of its upper. Goes away with everything in it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "agent/home/upper_reader.h"

namespace devrun::home {

class Overlay {
 public:
  Overlay();
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  // What the tree below has must be there before this.
  void mount();
  void unmount();

  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path lower() const { return folder_ / "lower"; }
  std::filesystem::path merged() const { return folder_ / "merged"; }
  // Of an attempt of root's whose home is /root.
  UpperView view() const;

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

void write(const std::filesystem::path& path, const std::string& bytes);
std::string pattern(size_t bytes, int seed = 0);

// All of it, or what `choose` says, in order; fails the test at an error.
std::vector<UpperItem> read_all(const UpperView& view, Choose choose = {});
std::map<std::string, UpperItem> by_path(std::vector<UpperItem> items);
// The paths alone.
std::vector<std::string> paths_of(const std::vector<UpperItem>& items);

}  // namespace devrun::home
