// Packages by name, out of the files that differ between two roots: what pip installed, by its
// dist-info folders, and Debian's, by dpkg's status file. Pure: the caller reads the files that
// these ask for.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/records.h"

namespace devrun::cli {

// "/usr/lib/python3/dist-packages/numpy-1.24.4.dist-info"
struct DistInfo {
  std::string path;
  std::string site;  // the folder that it is in
  std::string name;
  std::string version;
};
std::optional<DistInfo> dist_info_of(std::string_view path);

inline constexpr std::string_view kDpkgStatus = "/var/lib/dpkg/status";
// Name (with the architecture where a package has several) to version, of those that are installed.
using DpkgPackages = std::map<std::string, std::string>;
DpkgPackages parse_dpkg_status(std::string_view text);

struct PackageChange {
  enum class By { kPython, kDebian };
  By by = By::kPython;
  std::string name;
  std::string before;  // version; empty: was not there
  std::string after;   // empty: is gone
  // Python's: the dist-info folders of either side.
  std::string info_before = {};
  std::string info_after = {};
};
// Of dist-info folders that came or went.
std::vector<PackageChange> python_changes(const std::vector<ChangeRecord>& changes);
std::vector<PackageChange> debian_changes(const DpkgPackages& before, const DpkgPackages& after);

// The absolute paths that a dist-info's RECORD names, for packages in `site`.
std::vector<std::string> files_of_record(std::string_view record, const std::string& site);

// Whose changes need no line of their own: files of packages, folders that hold nothing else, and
// what Python compiles of them.
class PackageFiles {
 public:
  void add(const std::vector<std::string>& files);
  // dpkg's own books.
  void add_folder(std::string folder) { folders_.push_back(std::move(folder)); }
  bool owns(const std::string& path) const;

 private:
  std::set<std::string, std::less<>> files_;
  std::set<std::string, std::less<>> parents_;
  std::vector<std::string> folders_;
};

// "P numpy 1.24 → 1.26", "P + requests 2.31", "P - six 1.16"
std::string package_line(const PackageChange& change);
std::string package_json(const PackageChange& change);

}  // namespace devrun::cli
