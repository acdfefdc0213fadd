// devrun-shim's command line. It is written by agent/sandbox/step_shim.cc alone.
#include <fmt/format.h>
#include <stdlib.h>

#include <string_view>

#include "agent/shim/shim.h"

namespace devrun::shim {

namespace {

Result<uint64_t> large_number(std::string_view flag, const std::string& text) {
  char* end = nullptr;
  const unsigned long value = ::strtoul(text.c_str(), &end, 10);
  if (!text.empty() && *end == '\0') return uint64_t{value};
  return Error{Code::kInvalid, fmt::format("{} takes a number, not '{}'", flag, text), {}};
}

Result<uint32_t> number(std::string_view flag, const std::string& text) {
  const uint64_t value = TRY(large_number(flag, text));
  if (value <= UINT32_MAX) return static_cast<uint32_t>(value);
  return Error{Code::kInvalid, fmt::format("{}: {} is too large", flag, text), {}};
}

Result<int64_t> time_us(std::string_view flag, const std::string& text) {
  char* end = nullptr;
  const long long value = ::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) {
    return Error{Code::kInvalid, fmt::format("{} takes microseconds, not '{}'", flag, text), {}};
  }
  return value;
}

Status take(ShimOptions& out, std::string_view flag, const std::string& value) {
  if (flag == "--folder") {
    out.folder = value;
  } else if (flag == "--crun") {
    out.launch.crun = value;
  } else if (flag == "--crun-root") {
    out.launch.crun_root = value;
  } else if (flag == "--id") {
    out.launch.id = value;
  } else if (flag == "--cgroup") {
    out.launch.cgroups.push_back(value);
  } else if (flag == "--join") {
    out.launch.join = value;
  } else if (flag == "--output-max") {
    out.output_bytes_max = TRY(large_number(flag, value));
  } else if (flag == "--lease-until") {
    out.lease_until.us = TRY(time_us(flag, value));
  } else if (flag == "--ready-fd") {
    out.ready_fd = static_cast<int>(TRY(number(flag, value)));
  } else if (flag == "--go-fd") {
    out.go_fd = static_cast<int>(TRY(number(flag, value)));
  } else {
    return Error{Code::kInvalid, fmt::format("unknown flag {}", flag), {}};
  }
  return ok();
}

}  // namespace

Result<ShimOptions> parse_shim_options(int argc, char** argv) {
  ShimOptions out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (i + 1 < argc) {
      TRY(take(out, flag, argv[++i]));
    } else {
      return Error{Code::kInvalid, fmt::format("{} needs a value, or is unknown", flag), {}};
    }
  }
  if (out.folder.empty() || out.launch.id.empty()) {
    return Error{Code::kInvalid, "--folder and --id are needed", {}};
  }
  if (out.launch.crun_root.empty()) out.launch.crun_root = out.folder + "/crun";
  out.launch.bundle = out.folder + "/bundle";
  out.launch.order_path = out.folder + "/order";
  out.launch.log = out.folder + "/crun.log";
  return out;
}

}  // namespace devrun::shim
