#include "common/tree/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace devrun::tree {

namespace {

constexpr size_t kNameBytesMax = 255;
constexpr size_t kLinkTargetBytesMax = 4095;
constexpr size_t kXattrValueBytesMax = 64 << 10;
constexpr size_t kXattrsMax = 16 << 10;  // more than Linux lists: 64 KiB of names
constexpr size_t kPacksMax = 1024;
constexpr size_t kVolumeNameBytesMax = 255;
constexpr uint32_t kModeMax = 07777;

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

std::string name_problem(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax)
    return fmt::format("a name of {} bytes", name.size());
  if (has_nul(name) || name.find('/') != std::string_view::npos) return "a name with NUL or '/'";
  if (name == "." || name == "..") return "a name that is '.' or '..'";
  return {};
}

std::string body_problem(const Entry& entry) {
  const Body& body = entry.body;
  const bool has_body = body != Body{};
  if (entry.type != EntryType::kRegular) return has_body ? "a body on what is no regular file" : "";
  if (entry.size == 0) return has_body ? "a body on an empty file" : "";
  switch (body.kind) {
    case BodyKind::kInline:
      if (body.id.size() != entry.size) {
        return fmt::format("an inline body of {} bytes for a size of {}", body.id.size(),
                           entry.size);
      }
      return entry.size > kInlineBytesMax ? "an inline body above the limit" : "";
    case BodyKind::kChunked:
      // Otherwise equal contents could have two names.
      if (entry.size <= kInlineBytesMax) return "a chunked body for a file that fits inline";
      return body.id.size() == 32 ? "" : "a chunked body whose name is not 32 bytes";
    case BodyKind::kProvisional:
      return body.id.size() == 16 ? "" : "a provisional body whose name is not 16 bytes";
  }
  return fmt::format("unknown body kind {}", static_cast<int>(body.kind));
}

std::string xattr_problem(const Entry& entry) {
  if (entry.xattrs.size() > kXattrsMax) return fmt::format("{} xattrs", entry.xattrs.size());
  const Xattr* previous = nullptr;
  for (const Xattr& xattr : entry.xattrs) {
    if (xattr.name.empty() || xattr.name.size() > kNameBytesMax || has_nul(xattr.name)) {
      return "an xattr with an impossible name";
    }
    if (xattr.value.size() > kXattrValueBytesMax)
      return fmt::format("xattr {} is too large", xattr.name);
    if (previous != nullptr && previous->name >= xattr.name)
      return "xattrs that are not sorted by name";
    previous = &xattr;
  }
  return {};
}

std::string type_problem(const Entry& entry) {
  const EntryType type = entry.type;
  const bool is_link = type == EntryType::kSymlink;
  const bool is_device = type == EntryType::kCharacterDevice || type == EntryType::kBlockDevice;
  if (type < EntryType::kRegular || type > EntryType::kMountPoint) {
    return fmt::format("unknown type {}", static_cast<int>(type));
  }
  if (entry.mode > kModeMax)
    return fmt::format("mode {:o} has more than permission bits", entry.mode);
  if (is_link && (entry.link_target.empty() || entry.link_target.size() > kLinkTargetBytesMax ||
                  has_nul(entry.link_target))) {
    return "a symlink with an impossible target";
  }
  if (!is_link && !entry.link_target.empty()) return "a link target on what is no symlink";
  if (is_link && entry.size != entry.link_target.size())
    return "a symlink whose size is not its target's";
  if (!is_link && type != EntryType::kRegular && entry.size != 0)
    return "a size where none belongs";
  if (!is_device && entry.device != 0) return "a device number on what is no device";
  if (entry.links == 0 || (type != EntryType::kRegular && entry.links != 1)) {
    return fmt::format("{} links", entry.links);
  }
  if ((type == EntryType::kDirectory) == entry.directory.is_zero()) {
    return entry.directory.is_zero() ? "a directory without an object"
                                     : "an object on what is no directory";
  }
  return {};
}

std::string attribute_problem(const Entry& entry) {
  if (std::string wrong = type_problem(entry); !wrong.empty()) return wrong;
  if (std::string wrong = body_problem(entry); !wrong.empty()) return wrong;
  return xattr_problem(entry);
}

}  // namespace

std::string problem_of(const Entry& entry) {
  std::string wrong = name_problem(entry.name);
  if (wrong.empty()) wrong = attribute_problem(entry);
  return wrong.empty() ? wrong : fmt::format("entry '{}': {}", entry.name, wrong);
}

std::string problem_of(const Directory& directory) {
  const Entry* previous = nullptr;
  for (const Entry& entry : directory.entries) {
    if (std::string wrong = problem_of(entry); !wrong.empty()) return wrong;
    // char_traits<char> compares as unsigned bytes, the order of the format.
    if (previous != nullptr && previous->name >= entry.name) {
      return fmt::format("entries '{}' and '{}' are not in order", previous->name, entry.name);
    }
    previous = &entry;
  }
  return {};
}

std::string problem_of(const Manifest& manifest) {
  if (manifest.tree.is_zero()) return "no tree";
  if (manifest.volume.empty() || manifest.volume.size() > kVolumeNameBytesMax)
    return "no volume name";
  if (manifest.packs.empty() || manifest.packs.size() > kPacksMax) {
    return fmt::format("{} packs", manifest.packs.size());
  }
  if (std::set<Digest>(manifest.packs.begin(), manifest.packs.end()).size() !=
      manifest.packs.size()) {
    return "a pack that is listed twice";
  }
  if (!manifest.root.name.empty()) return "a root with a name";
  if (manifest.root.type != EntryType::kDirectory) return "a root that is no directory";
  if (manifest.root.directory != manifest.tree) return "a root that is not the tree";
  const std::string wrong = attribute_problem(manifest.root);
  return wrong.empty() ? wrong : "root: " + wrong;
}

}  // namespace devrun::tree
