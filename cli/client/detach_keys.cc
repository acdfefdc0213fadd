#include "cli/client/detach_keys.h"

#include <fmt/format.h>

#include <cctype>

namespace devrun::cli {

namespace {

constexpr size_t kKeysMax = 8;

// The byte of one key, or -1.
int key_byte(std::string_view key) {
  if (key.size() == 1) return static_cast<unsigned char>(key[0]);
  constexpr std::string_view kCtrl = "ctrl-";
  if (key.size() != kCtrl.size() + 1 || !key.starts_with(kCtrl)) return -1;
  const int c = std::toupper(static_cast<unsigned char>(key.back()));
  return c >= '@' && c <= '_' ? c - '@' : -1;
}

}  // namespace

Result<std::string> parse_detach_keys(std::string_view text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',', 1);
    const int byte = key_byte(rest.substr(0, comma));
    if (byte < 0 || out.size() == kKeysMax) {
      return Error{Code::kInvalid,
                   fmt::format("'{}' is not a key sequence: expected up to {} keys such as "
                               "ctrl-p,ctrl-q or ctrl-\\,d",
                               text, kKeysMax),
                   {}};
    }
    out += static_cast<char>(byte);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return out;
}

DetachMatcher::Typed DetachMatcher::feed(std::string_view bytes) {
  Typed out;
  if (sequence_.empty()) {
    out.bytes = bytes;
    return out;
  }
  for (const char c : bytes) {
    // Fall back to the longest beginning of the sequence that the held keys still end with.
    while (matched_ > 0 && sequence_[matched_] != c) {
      const std::string held = sequence_.substr(0, matched_);
      size_t shorter = matched_ - 1;
      while (shorter > 0 && !held.ends_with(std::string_view(sequence_).substr(0, shorter)))
        --shorter;
      out.bytes += held.substr(0, matched_ - shorter);
      matched_ = shorter;
    }
    if (sequence_[matched_] != c) {
      out.bytes += c;
      continue;
    }
    if (++matched_ < sequence_.size()) continue;
    matched_ = 0;
    out.detached = true;
    break;
  }
  return out;
}

}  // namespace devrun::cli
