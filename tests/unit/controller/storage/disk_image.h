// File systems of the test process's own: an unlinked image on a loop device that clears itself,
// mounted in a private mount namespace. Whatever happens to the process, nothing of it is left.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::storage {

enum class FileSystem { kBtrfs, kXfs, kExt4 };

std::string name_of(FileSystem kind);

class DiskImage {
 public:
  static Result<std::unique_ptr<DiskImage>> make(FileSystem kind = FileSystem::kBtrfs);
  ~DiskImage();  // unmounts

  const std::string& mount_point() const { return mount_point_; }
  // What the disk holds now, without anything that is only in memory, becomes the file system: as
  // if the power had failed. No descriptor may be open on it.
  Status lose_power();

 private:
  Status mount();

  std::string mount_point_;
  UniqueFd image_;
};

// One of each kind for all tests of the process, made when it is first asked for; nullptr and the
// reason where mounting is not allowed.
struct SharedImage {
  std::unique_ptr<DiskImage> image;
  std::string why_not;
};
const SharedImage& shared_image(FileSystem kind);

}  // namespace devrun::storage
