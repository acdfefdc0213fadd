// What a folder's `.skyignore`, or else its `.gitignore`, says must not be uploaded; in git's pattern language: `*`, `?`,
// `[…]`, `**`, a slash that ties a pattern to the folder, one at the end for folders alone, `!` to take back. `.git`
// itself is always left out. Pure but for reading the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace devrun::cli {

class IgnoreRules {
 public:
  // Of the folder, from the first of the two files that it has.
  static IgnoreRules of_folder(const std::string& folder);
  static IgnoreRules parse(std::string_view text);

  // `path` is relative to the folder, "a/b"; the folders on its way are not left out.
  bool leaves_out(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    std::string pattern;
    bool takes_back = false;
    bool folders_only = false;
    bool from_top = false;
  };
  std::vector<Rule> rules_;
};

}  // namespace devrun::cli
