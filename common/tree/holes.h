// Where a file has holes, so that they are neither read nor sent. Of a file that is written to meanwhile the answers are of some moment.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace devrun::tree {

class Holes {
 public:
  // Of the first `size` bytes of `file`, which stays open.
  Holes(int file, uint64_t size) : file_(file), size_(size) {}

  // How many bytes from `at` on are a hole: 0 where there is data, or where nobody can tell. Asked in ascending order.
  uint64_t at(uint64_t at) {
    if (at >= next_data_) {
      const off_t found = ::lseek(file_, static_cast<off_t>(at), SEEK_DATA);
      if (found >= 0) {
        next_data_ = static_cast<uint64_t>(found);
      } else {
        next_data_ = errno == ENXIO ? size_ : at;  // nothing but a hole; or it cannot tell
      }
    }
    const uint64_t end = std::min(next_data_, size_);
    return end > at ? end - at : 0;
  }

 private:
  const int file_;
  const uint64_t size_;
  uint64_t next_data_ = 0;
};

}  // namespace devrun::tree
