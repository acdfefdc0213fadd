// HomeUp messages that carry bytes of files (agent.proto), written and read around the bytes themselves: a message of protobuf's would
// copy each of them once more at either end. Any other message, and any other order of the fields, is protobuf's to read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace devrun::wire {

struct HomeBytesHead {
  uint64_t entry = 0;
  uint64_t zeros = 0;
  bool last = false;
  bool operator==(const HomeBytesHead&) const = default;
};

// What of the serialized message stands before its `bytes` bytes of data, which end it.
std::string home_bytes_head(const HomeBytesHead& head, size_t bytes);

struct HomeBytesStart {
  HomeBytesHead head;
  size_t data_at = 0;  // where in the message the data begins
};
// Of a message that home_bytes_head began, of `message_bytes` in all. `start`: at least its first 64 bytes, or all.
std::optional<HomeBytesStart> read_home_bytes(std::string_view start, size_t message_bytes);

}  // namespace devrun::wire
