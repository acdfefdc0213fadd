#include "common/runtime/loop_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "common/runtime/file.h"

namespace devrun {

namespace {
constexpr int kLoopTriesMax = 32;
}  // namespace

Result<UniqueFd> attach_loop(int file, std::string& device) {
  const UniqueFd control = TRY(open_file("/dev/loop-control", O_RDWR));
  for (int i = 0; i < kLoopTriesMax; ++i) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return errno_error("find a free loop device", errno);
    device = fmt::format("/dev/loop{}", number);
    UniqueFd loop = TRY(open_file(device, O_RDWR));
    loop_config config{};
    config.fd = static_cast<uint32_t>(file);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY) return errno_error(fmt::format("set up {}", device), errno);
  }
  return Error{Code::kExhausted, "every free loop device was taken by others at once", "try again"};
}

}  // namespace devrun
