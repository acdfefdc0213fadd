#include "agent/sandbox/device_rules.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>

#include "agent/sandbox/bpf.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr int64_t kAny = -1;

struct Allowed {
  char type;
  int64_t major;
  int64_t minor;  // kAny: all
};

// null zero full random urandom, tty console ptmx, the ptys.
constexpr std::array<Allowed, 9> kAlways = {{{'c', 1, 3},
                                             {'c', 1, 5},
                                             {'c', 1, 7},
                                             {'c', 1, 8},
                                             {'c', 1, 9},
                                             {'c', 5, 0},
                                             {'c', 5, 1},
                                             {'c', 5, 2},
                                             {'c', 136, kAny}}};

std::vector<Allowed> allowed(std::span<const gpu::DeviceNode> granted) {
  std::vector<Allowed> out(kAlways.begin(), kAlways.end());
  for (const gpu::DeviceNode& node : granted) out.push_back({node.type, node.major, node.minor});
  return out;
}

Status put(const std::string& file, const std::string& value) {
  const UniqueFd fd = TRY(open_file(file, O_WRONLY));
  return write_all(fd.get(), value);
}

Status write_rules(const std::string& folder, const std::vector<Allowed>& rules) {
  TRY(put(folder + "/devices.deny", "a"));
  // Making nodes is not opening them, and nobody in a container may; crun makes those of /dev.
  for (const char* any : {"c *:* m", "b *:* m"}) TRY(put(folder + "/devices.allow", any));
  for (const Allowed& rule : rules) {
    const std::string minor = rule.minor == kAny ? "*" : std::to_string(rule.minor);
    TRY(put(folder + "/devices.allow", fmt::format("{} {}:{} rw", rule.type, rule.major, minor)));
  }
  return ok();
}

// bpf_cgroup_dev_ctx: access_type (what is wanted << 16 | type), major, minor.
Status load_rules(const std::string& folder, const std::vector<Allowed>& rules) {
  constexpr int16_t kAccess = 0, kMajor = 4, kMinor = 8;
  constexpr int32_t kBlock = 1, kCharacter = 2, kMakeNode = 1;
  BpfProgram program;
  program.load(2, kAccess);
  program.move(3, 2);
  program.and_with(2, 0xffff);  // type
  program.shift_right(3, 16);   // access
  program.load(4, kMajor);
  program.load(5, kMinor);
  program.skip_unless(3, kMakeNode, 2);
  program.answer(1);
  for (const Allowed& rule : rules) {
    const int16_t rest = rule.minor == kAny ? 2 : 3;
    program.skip_unless(2, rule.type == 'b' ? kBlock : kCharacter, static_cast<int16_t>(rest + 1));
    program.skip_unless(4, static_cast<int32_t>(rule.major), rest);
    if (rule.minor != kAny) program.skip_unless(5, static_cast<int32_t>(rule.minor), 2);
    program.answer(1);
  }
  program.answer(0);
  return program.attach(folder, BpfPoint::kDevices);
}

}  // namespace

std::vector<std::string> make_device_rules(const CgroupHost& host, const std::string& parent,
                                           const std::string& name,
                                           std::span<const gpu::DeviceNode> granted) {
  const std::vector<Allowed> rules = allowed(granted);
  std::vector<std::string> made;
  if (!host.devices.empty()) {
    const std::string folder = fmt::format("{}/{}/{}", host.devices, parent, name);
    Status done = make_folders(folder);
    if (done) made.push_back(folder);
    if (done) done = write_rules(folder, rules);
    if (!done) log::warning("without rules for devices: {}", done.error().message);
    return made;
  }
  const std::string v2 = host.unified.empty() ? host.guard : host.unified;
  if (v2.empty()) return made;
  const std::string folder = fmt::format("{}/{}/{}", v2, parent, name);
  Status done = make_folders(folder);
  if (done) done = load_rules(folder, rules);
  if (!done) log::warning("without rules for devices: {}", done.error().message);
  return made;
}

}  // namespace devrun::sandbox
