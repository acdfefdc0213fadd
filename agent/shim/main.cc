// devrun-shim, and under the name `init` the first process of its container.
#include <cstdio>
#include <cstring>

#include "agent/shim/container_init.h"
#include "agent/shim/shim.h"
#include "common/base/log.h"
#include "common/base/version.h"

int main(int argc, char** argv) {
  const char* slash = std::strrchr(argv[0], '/');
  if (std::strcmp(slash == nullptr ? argv[0] : slash + 1, "init") == 0) {
    return devrun::shim::run_container_init();
  }
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("devrun-shim %s\n", std::string(devrun::kVersion).c_str());
    return 0;
  }
  devrun::log::start("devrun-shim", devrun::log::Level::kInfo);
  devrun::Result<devrun::shim::ShimOptions> options = devrun::shim::parse_shim_options(argc, argv);
  devrun::Status ran = options ? devrun::shim::run_shim(std::move(*options))
                               : devrun::Status(std::move(options).error());
  if (ran) return 0;
  devrun::log::error("{}", ran.error().message);
  return 1;
}
