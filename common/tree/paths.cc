#include "common/tree/paths.h"

#include <fmt/format.h>

#include "common/base/check.h"

namespace devrun::tree {

namespace {

std::string hex_of(std::string_view raw) {
  std::string out;
  for (const char c : raw)
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<uint8_t>(c));
  return out;
}

// Two digits of fan-out: 256 folders hold millions of files without one of them growing slow.
std::string fanned_out(std::string_view folder, const std::string& hex) {
  return fmt::format("{}/{}/{}", folder, hex.substr(0, 2), hex);
}

}  // namespace

std::string manifest_path(const Digest& tree) {
  return fanned_out("trees", tree.hex());
}

std::string pack_path(const Digest& pack) {
  return fanned_out("packs", pack.hex());
}

std::string body_path(const Body& body) {
  CHECK_MSG(body.kind != BodyKind::kInline, "an inline body has no file");
  const std::string hex = hex_of(body.id);
  if (body.kind == BodyKind::kProvisional) return "content/p/" + hex;
  return fanned_out("content", hex);
}

std::string chunk_list_path(const Body& body) {
  CHECK_MSG(body.kind == BodyKind::kChunked, "only chunked bodies have a chunk list");
  return body_path(body) + ".chunks";
}

std::string trace_path(const std::string& volume, const std::string& hex) {
  return fmt::format("traces/{}/{}", volume, hex);
}

}  // namespace devrun::tree
