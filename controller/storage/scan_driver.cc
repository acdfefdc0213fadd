#include "controller/storage/scan_driver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "common/base/check.h"
#include "common/runtime/file.h"
#include "controller/storage/clock.h"
#include "controller/storage/remove_tree.h"

namespace devrun::storage {

namespace {

class ScanDriver final : public Driver {
 public:
  std::string_view name() const override { return "scan"; }
  bool freezes() const override { return false; }
  Status make_live(int parent, const std::string& live) const override {
    if (::mkdirat(parent, live.c_str(), 0755) != 0) {
      return errno_error(fmt::format("mkdir {}", live), errno);
    }
    return ok();
  }
  Result<LiveId> clone_live(const std::string&, int, const std::string&) const override {
    return Error{Code::kUnsupported, "this file system has no instant copies", {}};
  }
  Status remove(int parent, const std::string& tree) const override {
    return remove_tree(parent, tree);
  }

  Result<Instant> freeze(const std::string& folder, const std::string&) const override {
    Instant out;
    out.taken_ns = clock_ns();
    out.root = TRY(open_file(folder + "/live", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return out;
  }
  Result<Instant> reopen(const std::string& folder, const std::string& name) const override {
    return Error{Code::kNotFound,
                 fmt::format("{}/{}: this file system keeps no instants", folder, name),
                 {}};
  }
  Result<bool> bytes_changed(int, uint64_t, uint64_t) const override {
    CHECK_MSG(false, "instants that are not ordered");
    return true;
  }
  Result<std::vector<uint64_t>> changed_inodes(int, uint64_t, size_t) const override {
    CHECK_MSG(false, "instants that are not ordered");
    return std::vector<uint64_t>{};
  }
  Result<std::vector<uint64_t>> parents_of(int, uint64_t) const override {
    CHECK_MSG(false, "instants that are not ordered");
    return std::vector<uint64_t>{};
  }
  Status commit(int fd) const override {
    if (::syncfs(fd) != 0) return errno_error("syncfs", errno);
    return ok();
  }
};

}  // namespace

std::unique_ptr<Driver> make_scan_driver() {
  return std::make_unique<ScanDriver>();
}

}  // namespace devrun::storage
