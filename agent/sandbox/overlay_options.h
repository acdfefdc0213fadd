// Paths in the options of an overlay mount.
#pragma once

#include <string>

namespace devrun::sandbox {

// overlay takes ':' and ',' as separators.
inline std::string overlay_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == ':' || c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace devrun::sandbox
