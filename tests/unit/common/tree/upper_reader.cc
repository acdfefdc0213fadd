#include "tests/unit/common/tree/upper_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

namespace devrun::tree {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> overlay_xattr(const fs::path& path, const char* name) {
  char value[4096];
  const ssize_t size = lgetxattr(path.c_str(), (std::string("trusted.overlay.") + name).c_str(),
                                 value, sizeof value);
  if (size < 0) return {};
  return std::string(value, static_cast<size_t>(size));
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Body inline_body(const fs::path& path) {
  return {BodyKind::kInline, read_file(path)};
}

Entry stat_of(const fs::path& path, const BodyOf& body_of) {
  struct stat st {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
  Entry out;
  out.name = path.filename();
  out.mode = st.st_mode & 07777;
  out.uid = st.st_uid;
  out.gid = st.st_gid;
  out.mtime_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  out.ctime_ns = st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec;
  out.inode = st.st_ino;
  if (S_ISDIR(st.st_mode)) {
    out.type = EntryType::kDirectory;
  } else if (S_ISLNK(st.st_mode)) {
    out.type = EntryType::kSymlink;
    out.link_target = fs::read_symlink(path);
    out.size = out.link_target.size();
  } else if (S_ISREG(st.st_mode)) {
    out.size = static_cast<uint64_t>(st.st_size);
    out.links = static_cast<uint32_t>(st.st_nlink);
    if (out.size > 0) out.body = body_of(path);
  } else {
    out.type = EntryType::kCharacterDevice;
    out.device = st.st_rdev;
  }
  return out;
}

std::vector<fs::path> names_in(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

UpperFolder read_upper(const fs::path& path, const BodyOf& body_of) {
  UpperFolder out;
  out.opaque = overlay_xattr(path, "opaque") == "y";
  out.redirect = overlay_xattr(path, "redirect").value_or("");
  for (const fs::path& name : names_in(path)) {
    UpperEntry next;
    struct stat st {};
    EXPECT_EQ(lstat(name.c_str(), &st), 0);
    next.whiteout = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
    next.entry = stat_of(name, body_of);
    if (S_ISREG(st.st_mode)) {
      next.metacopy = overlay_xattr(name, "metacopy").has_value();
      if (next.metacopy) next.redirect = overlay_xattr(name, "redirect").value_or("");
    }
    if (S_ISDIR(st.st_mode)) next.folder = read_upper(name, body_of);
    out.entries.push_back(std::move(next));
  }
  return out;
}

}  // namespace devrun::tree
