// A SHA-256 value: the name of a tree, a chunk, a pack. Hashing itself is in common/tree; this is
// only the value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace devrun {

struct Digest {
  std::array<uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  bool is_zero() const { return *this == Digest{}; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string hex() const;        // 64 lower-case digits
  std::string short_hex() const;  // the first 12, for people

  static std::optional<Digest> from_hex(std::string_view hex);
  static std::optional<Digest> from_bytes(std::string_view raw);  // exactly 32
};

}  // namespace devrun

template <>
struct std::hash<devrun::Digest> {
  size_t operator()(const devrun::Digest& digest) const noexcept {
    size_t out = 0;
    std::memcpy(&out, digest.bytes.data(), sizeof out);
    return out;
  }
};
