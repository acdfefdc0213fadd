// `tar` packing a folder of ours, as a stream of bytes.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::cli {

class TarStream {
 public:
  // What is mounted below the folder is left out.
  static Result<TarStream> of_folder(const std::string& folder);
  TarStream(TarStream&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), out_(std::move(other.out_)) {}
  TarStream& operator=(TarStream&&) = delete;
  ~TarStream();  // ends tar

  int fd() const { return out_.get(); }
  // After the last byte: whether everything was packed.
  Status finish();

 private:
  TarStream(pid_t pid, UniqueFd out) : pid_(pid), out_(std::move(out)) {}

  pid_t pid_;
  UniqueFd out_;
};

}  // namespace devrun::cli
