#include "tests/unit/agent/home/overlay.h"

#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <cstring>
#include <fstream>

namespace devrun::home {

namespace fs = std::filesystem;

namespace {

void enter_own_namespace() {
  static const bool entered = [] {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }();
  ASSERT_TRUE(entered) << "needs root";
}

}  // namespace

Overlay::Overlay() {
  enter_own_namespace();
  std::string name = fs::temp_directory_path() / "devrun-home-XXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  folder_ = name;
  for (const char* part : {"lower/root", "upper", "work", "merged"}) {
    fs::create_directories(folder_ / part);
  }
  fs::permissions(folder_ / "upper", fs::status(folder_ / "lower").permissions());
}

Overlay::~Overlay() {
  unmount();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Overlay::mount() {
  const std::string options = fmt::format(
      "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work,redirect_dir=on,metacopy=off,"
      "xino=auto,index=on,volatile",
      folder_.string());
  mounted_ = ::mount("test", merged().c_str(), "overlay", MS_NODEV, options.c_str()) == 0;
  ASSERT_TRUE(mounted_) << std::strerror(errno);
}

void Overlay::unmount() {
  if (mounted_) {
    EXPECT_EQ(::umount2(merged().c_str(), MNT_DETACH), 0);
  }
  mounted_ = false;
}

UpperView Overlay::view() const {
  return {folder_ / "upper", lower(), default_path_rules("/root", "/root/proj"), "/root"};
}

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string pattern(size_t bytes, int seed) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<char>((i * 7 + i / 251 + static_cast<size_t>(seed) * 31) & 0xff);
  }
  return out;
}

std::vector<UpperItem> read_all(const UpperView& view, Choose choose) {
  std::vector<UpperItem> out;
  const auto reader = UpperReader::open(view, std::move(choose));
  EXPECT_TRUE(reader.has_value());
  while (reader) {
    Result<std::optional<UpperItem>> item = (*reader)->next();
    if (!item) {
      ADD_FAILURE() << item.error().message;
      break;
    }
    if (!*item) break;
    out.push_back(std::move(**item));
  }
  return out;
}

std::map<std::string, UpperItem> by_path(std::vector<UpperItem> items) {
  std::map<std::string, UpperItem> out;
  for (UpperItem& item : items) {
    std::string path = item.path;
    EXPECT_TRUE(out.emplace(std::move(path), std::move(item)).second);
  }
  return out;
}

std::vector<std::string> paths_of(const std::vector<UpperItem>& items) {
  std::vector<std::string> out;
  for (const UpperItem& item : items) out.push_back(item.path);
  return out;
}

}  // namespace devrun::home
