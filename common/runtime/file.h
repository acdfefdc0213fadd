// Whole files, and the few durable operations that everything else is built from. Blocking; any
// thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun {

// open(2) with O_CLOEXEC; the error names the path.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0644);

// The whole file; kExhausted beyond `bytes_max`.
Result<std::string> read_file(const std::string& path, size_t bytes_max = 64 << 20);

// All of `data`, over short writes and EINTR.
Status write_all(int fd, std::string_view data);

// Writes under a temporary name in the same folder, fsyncs, renames over `path`, fsyncs the folder:
// after a crash the file is the old one or the new one. `path` must not be in a folder that others
// can write.
Status write_file_durably(const std::string& path, std::string_view data, mode_t mode = 0644);

// The same without the fsyncs: for files that a restart makes anew.
Status write_file_atomically(const std::string& path, std::string_view data, mode_t mode = 0644);

Status sync_folder(const std::string& path);

// mkdir -p.
Status make_folders(const std::string& path, mode_t mode = 0755);
// The same of one that is its owner's alone, made so if it was there and was not.
Status make_private_folder(const std::string& path);

}  // namespace devrun
