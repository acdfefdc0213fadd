#include "common/base/digest.h"

namespace devrun {

std::string Digest::hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string Digest::short_hex() const {
  return hex().substr(0, 12);
}

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  const auto value = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  Digest out;
  if (hex.size() != 2 * out.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < out.bytes.size(); ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return out;
}

std::optional<Digest> Digest::from_bytes(std::string_view raw) {
  Digest out;
  if (raw.size() != out.bytes.size()) return std::nullopt;
  std::memcpy(out.bytes.data(), raw.data(), raw.size());
  return out;
}

}  // namespace devrun
