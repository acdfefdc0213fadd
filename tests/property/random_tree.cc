#include "tests/property/random_tree.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/runtime/fd.h"

namespace devrun::property {

namespace {

// As the kernel stores them: an ACL with an entry for one more user, and capabilities of a file.
std::string acl_of_user(uint32_t user) {
  struct Entry {
    uint16_t tag;
    uint16_t permissions;
    uint32_t id;
  };
  const Entry entries[] = {{0x01, 6, UINT32_MAX},
                           {0x02, 4, user},
                           {0x04, 4, UINT32_MAX},
                           {0x10, 6, UINT32_MAX},
                           {0x20, 0, UINT32_MAX}};
  const uint32_t version = 2;
  std::string out(reinterpret_cast<const char*>(&version), sizeof version);
  return out.append(reinterpret_cast<const char*>(entries), sizeof entries);
}

std::string capabilities(uint32_t set) {
  const uint32_t words[5] = {0x02000001, set, 0, 0, 0};
  return {reinterpret_cast<const char*>(words), sizeof words};
}

}  // namespace

std::string RandomTree::bytes(size_t count, bool zero) {
  std::string out(count, '\0');
  for (char& c : out) {
    do {
      c = static_cast<char>(random_());
    } while (!zero && (c == '\0' || c == '/'));
  }
  return out;
}

std::string RandomTree::new_path() {
  static constexpr size_t kLengths[] = {1, 3, 8, 20, 60, 255};
  const std::string& folder = some(folders_);
  for (;;) {
    std::string name = bytes(kLengths[below(6)], false);
    if (name == "." || name == "..") continue;
    std::string path = folder.empty() ? name : folder + "/" + name;
    struct stat st {};
    if (path.size() < 2000 && ::lstat(at(path).c_str(), &st) != 0) return path;
  }
}

void RandomTree::write_regular(const std::string& path) {
  static constexpr size_t kSizes[] = {0, 1, 511, 512, 513, 5000, 70'000, (1 << 20) + 3};
  const UniqueFd fd(::open(at(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return;
  if (below(8) == 0) {
    int flags = FS_NOCOW_FL;
    (void)::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags);  // btrfs alone has it
  }
  if (below(6) == 0) {
    // With holes before, between and after, one of them of whole chunks.
    const std::string island = bytes(9000, true);
    CHECK(::pwrite(fd.get(), island.data(), island.size(), 100'000) > 0);
    CHECK(::pwrite(fd.get(), island.data(), island.size(), (3 << 20) + 777) > 0);
    CHECK(::ftruncate(fd.get(), (4 << 20) + static_cast<off_t>(below(100'000))) == 0);
  } else {
    const std::string data = bytes(kSizes[below(8)], true);
    CHECK(::write(fd.get(), data.data(), data.size()) == static_cast<ssize_t>(data.size()));
  }
  regular_.push_back(path);
}

void RandomTree::set_xattrs(const std::string& path, bool regular, bool user) {
  const auto set = [&](const std::string& name, const std::string& value) {
    (void)::lsetxattr(at(path).c_str(), name.c_str(), value.data(), value.size(), 0);
  };
  for (uint64_t i = below(3); i > 0; --i) {
    const std::string name = (user ? "user." : "trusted.") + std::to_string(below(100));
    set(name, bytes(below(200), true));
  }
  if (user && below(3) == 0) {
    set("system.posix_acl_access", acl_of_user(static_cast<uint32_t>(below(5000))));
  }
  if (regular && below(3) == 0) {
    set("security.capability", capabilities(static_cast<uint32_t>(below(1 << 20))));
  }
}

void RandomTree::set_times(const std::string& path) {
  // From 1906 to the year 2382, which all three file systems can hold.
  const auto second = [&] { return static_cast<time_t>(below(15'000'000'000)) - 2'000'000'000; };
  const timespec times[2] = {{second(), 0}, {second(), static_cast<long>(below(1'000'000'000))}};
  (void)::utimensat(AT_FDCWD, at(path).c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void RandomTree::attribute(const std::string& path) {
  struct stat st {};
  if (::lstat(at(path).c_str(), &st) != 0) return;
  if (below(2) == 0) {
    (void)::lchown(at(path).c_str(), static_cast<uid_t>(below(1U << 31)),
                   static_cast<gid_t>(below(1U << 31)));
  }
  if (!S_ISLNK(st.st_mode) && below(2) == 0) {
    (void)::chmod(at(path).c_str(), static_cast<mode_t>(below(010000)));
  }
  if (below(2) == 0) {
    set_xattrs(path, S_ISREG(st.st_mode), S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
  }
  if (below(2) == 0) set_times(path);
}

void RandomTree::add() {
  const std::string path = new_path();
  const std::string full = at(path);
  switch (below(12)) {
    case 0:
    case 1:
    case 2:
      if (::mkdir(full.c_str(), 0755) == 0) folders_.push_back(path);
      break;
    case 3:
      (void)::symlink(bytes(1 + below(900), false).c_str(), full.c_str());
      break;
    case 4:
      (void)::mknod(full.c_str(), S_IFIFO | 0600, 0);
      break;
    case 5:
      (void)::mknod(full.c_str(), S_IFSOCK | 0600, 0);
      break;
    case 6: {
      const dev_t device =
          makedev(static_cast<unsigned>(below(4096)), static_cast<unsigned>(below(1 << 20)));
      (void)::mknod(full.c_str(), (below(2) == 0 ? S_IFCHR : S_IFBLK) | 0600, device);
      break;
    }
    case 7:
      if (!regular_.empty()) (void)::link(at(some(regular_)).c_str(), full.c_str());
      break;
    default:
      write_regular(path);
  }
  all_.push_back(path);
  attribute(path);
}

void RandomTree::edit() {
  const std::string& path = some(all_);
  switch (below(5)) {
    case 0:
      (void)::unlink(at(path).c_str());
      return;
    case 1:
      (void)::rename(at(path).c_str(), at(new_path()).c_str());
      return;
    case 2: {
      if (regular_.empty()) return;
      const UniqueFd fd(::open(at(some(regular_)).c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
      const std::string data = bytes(1 + below(3000), true);
      if (fd) (void)!::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(below(9000)));
      return;
    }
    case 3:
      attribute(path);
      return;
    default:
      add();
  }
}

void RandomTree::add_deep(size_t path_bytes) {
  UniqueFd folder(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(folder);
  for (size_t length = 0; length < path_bytes;) {
    const std::string name(1 + below(250), static_cast<char>('a' + below(26)));
    CHECK(::mkdirat(folder.get(), name.c_str(), 0755) == 0 || errno == EEXIST);
    folder.reset(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CHECK(folder);
    length += name.size() + 1;
  }
  const UniqueFd file(::openat(folder.get(), "deep", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  const std::string data = bytes(3000, true);
  CHECK(file && ::write(file.get(), data.data(), data.size()) == 3000);
}

}  // namespace devrun::property
