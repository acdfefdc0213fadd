// A file or folder as a stream, from inside a job's container to here (`devrun cp`). One side walks and sends, the other
// makes what comes below one folder, and nothing outside of it, whatever the sender says.
//
// The stream: "DRCP1\n", then entries, each: u8 kind ('d' 'f' 'l'), u32 mode, i64 mtime in nanoseconds, u32 length and
// bytes of its path relative to what was asked for ("" is that itself), folders before what is in them. Of a link follow
// length and target; of a file its content, in pieces of u32 length and bytes, ended by a piece of length 0: so a file may
// grow meanwhile. A hole is a piece of length kHolePiece, and instead of bytes its length as u64. 'e' ends the stream. Numbers are little-endian.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/result.h"

namespace devrun::cli {

inline constexpr uint32_t kHolePiece = 0xffffffff;

struct Copied {
  uint64_t files = 0;  // entries that are no folders
  uint64_t bytes = 0;
};

// What is not to be sent, by its path relative to what is: "" is never asked about.
using LeaveOut = std::function<bool(const std::string& path, bool is_folder)>;

// `word` is told what cannot be sent: sockets, devices, what may not be read. A link at `path` itself is followed.
// kNotFound if nothing is there.
Status send_files(const std::string& path, int out,
                  const std::function<void(const std::string&)>& word,
                  const LeaveOut& leave_out = {});

// As `cp -r`: into `destination` if that is a folder, under the name `name`; else as `destination`, whose folder must be
// there. What is there already is replaced, but never a folder by a file, or the reverse. kCorrupt for a stream that ends
// early; what has come by then stays.
Result<Copied> receive_files(int in, const std::string& destination, const std::string& name);

}  // namespace devrun::cli
