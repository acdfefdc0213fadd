#include "common/runtime/network_file_system.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

namespace devrun {

namespace {
constexpr uint32_t kLustreMagic = 0x0bd00bd0;
}

std::string_view network_file_system_name(int64_t type) {
  switch (static_cast<uint32_t>(type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
      return "SMB";
    case CEPH_SUPER_MAGIC:
      return "Ceph";
    case kLustreMagic:
      return "Lustre";
    default:
      return {};
  }
}

Result<std::string_view> network_file_system_of(const std::string& folder) {
  struct statfs about {};
  if (::statfs(folder.c_str(), &about) != 0) return errno_error("statfs " + folder, errno);
  return network_file_system_name(about.f_type);
}

}  // namespace devrun
