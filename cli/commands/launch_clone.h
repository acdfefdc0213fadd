// `workdir: {url, ref}`: the repository, cloned here by git at submission, so that a job that waits runs what was there then.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun::cli {

// A folder of its own, removed with this object.
class Clone {
 public:
  explicit Clone(std::string folder) : folder_(std::move(folder)) {}
  Clone(Clone&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  Clone& operator=(Clone&&) = delete;
  Clone(const Clone&) = delete;
  Clone& operator=(const Clone&) = delete;
  ~Clone();

  std::string folder() const { return folder_ + "/tree"; }

 private:
  std::string folder_;
};

// `ref`: a branch, a tag or a commit; empty: the repository's own branch. `shown` is without secrets.
Result<Clone> clone_repository(const std::string& url, const std::string& ref,
                               const std::string& shown);

}  // namespace devrun::cli
