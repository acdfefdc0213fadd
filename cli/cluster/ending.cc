#include "cli/cluster/ending.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "cli/cluster/census.h"
#include "cli/cluster/say.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace fs = std::filesystem;

namespace {

constexpr Duration kCgroupPatience = seconds(5);

struct Stage {
  std::vector<std::string_view> programs;  // empty: all that are not ours
  Duration unasked;                        // to end by itself
  Duration grace;                          // after TERM
  Duration after_kill;
};

// Containers come before shims, so that each shim writes its exit record and ends by itself. A
// container stuck in a dead FUSE server dies only with it: stages do not fail, what is left at the
// end does. Keepers go with devrun-fs, which they would start again.
const std::vector<Stage>& stages() {
  static const std::vector<Stage> kStages = {
      {{"devrun-controller"}, {}, seconds(5), seconds(2)},
      {{"devrun-agent"}, {}, seconds(3), seconds(2)},
      {{}, {}, seconds(2), seconds(1)},
      {{"devrun-shim"}, seconds(2), seconds(1), seconds(1)},
      {{"devrun-keeper", "devrun-fs", "ganesha.nfsd"}, {}, seconds(3), seconds(2)},
  };
  return kStages;
}

bool is_in(const Stage& stage, const Member& member) {
  if (stage.programs.empty()) return !member.ours;
  return std::find(stage.programs.begin(), stage.programs.end(), member.program) !=
         stage.programs.end();
}

// Nothing of an attempt's end is to be mistaken for the program's own: the shims go first, before they can record any.
const std::vector<Stage>& stages_of_the_lost() {
  static const std::vector<Stage> kStages = {
      {{"devrun-controller"}, {}, seconds(5), seconds(2)},
      {{"devrun-agent"}, {}, seconds(3), seconds(2)},
      {{"devrun-shim"}, {}, {}, seconds(2)},
      {{}, {}, {}, seconds(1)},
      {{"devrun-keeper", "devrun-fs", "ganesha.nfsd"}, {}, seconds(3), seconds(2)},
  };
  return kStages;
}

// For the agent that finds them (agent/sandbox): why those without an exit record are lost.
void mark_lost(const fs::path& node, const std::string& reason) {
  std::error_code failed;
  for (const auto& attempt : fs::directory_iterator(node / "attempts", failed)) {
    if (fs::exists(attempt.path() / "exit", failed)) continue;
    const Status wrote = write_file_atomically((attempt.path() / "lost").string(), reason, 0600);
    if (!wrote) say("{}", wrote.error().message);
  }
}

std::vector<ProcessId> members_of(const Layout& layout, const Stage* stage) {
  std::vector<ProcessId> out;
  for (const Member& member : take_census(layout).members) {
    if (stage == nullptr || is_in(*stage, member)) out.push_back(member.process);
  }
  return out;
}

std::string describe(const std::vector<Member>& members) {
  std::vector<std::string> out;
  for (const Member& member : members) {
    out.push_back(fmt::format("{} (pid {})", member.program, member.process.pid));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

void clear_loop(const std::string& device) {
  const Result<UniqueFd> fd = open_file(device, O_RDWR);
  if (fd) ::ioctl(fd->get(), LOOP_CLR_FD);
}

// Cgroups are folders that only rmdir removes, deepest first. False while one of them cannot be removed: what ended in
// it is still on its way out.
bool remove_cgroup_tree(const fs::path& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.is_directory(failed) && !entry.is_symlink(failed)) remove_cgroup_tree(entry.path());
  }
  return ::rmdir(folder.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR;
}

// A thread of a killed devrun-fs may wait in the kernel for a page that only it could have filled, holding what an
// ordinary unmount waits for, both for ever. By force, the connection ends first.
bool unmount_by_force(const std::string& mount) {
  return ::umount2(mount.c_str(), MNT_FORCE) == 0;
}

// Each controller of v1 has its own tree, and so has v2 beside it. Returns the one that stays.
std::optional<fs::path> remove_cgroups(const std::string& name) {
  const fs::path top = "/sys/fs/cgroup";
  std::vector<fs::path> places = {top / name};
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(top, failed)) {
    if (entry.is_directory(failed) && !entry.is_symlink(failed)) {
      places.push_back(entry.path() / name);
    }
  }
  std::optional<fs::path> stays;
  wait_until(kCgroupPatience, [&] {
    stays.reset();
    for (const fs::path& place : places) {
      if (!remove_cgroup_tree(place)) stays = place;
    }
    return !stays;
  });
  return stays;
}

}  // namespace

int running_attempts(const Layout& layout) {
  const std::vector<Member> members = take_census(layout).members;
  return static_cast<int>(std::count_if(members.begin(), members.end(), [](const Member& member) {
    return member.program == "devrun-shim";
  }));
}

Result<Ended> end_members(const Layout& layout, const std::string& lost_reason) {
  Ended ended;
  for (const Member& member : take_census(layout).members) {
    ++ended.processes;
    if (member.program == "devrun-shim") ++ended.attempts;
  }
  if (ended.processes == 0) return ended;
  if (!lost_reason.empty()) {
    mark_lost(layout.folder, lost_reason);
    std::error_code failed;
    for (const auto& node : fs::directory_iterator(fs::path(layout.folder) / "nodes", failed)) {
      mark_lost(node.path(), lost_reason);
    }
  }
  for (const Stage& stage : lost_reason.empty() ? stages() : stages_of_the_lost()) {
    const std::vector<ProcessId> left = await_ends(members_of(layout, &stage), stage.unasked);
    (void)end_processes(left, stage.grace, stage.after_kill);
  }
  const std::vector<std::string> mounts = take_census(layout).own_mounts;
  std::for_each(mounts.rbegin(), mounts.rend(), unmount_by_force);
  // Whoever came in between, or was stuck until the servers went.
  (void)end_processes(members_of(layout, nullptr), Duration{}, seconds(5));
  const std::vector<Member> left = take_census(layout).members;
  if (!left.empty()) {
    return Error{
        Code::kIo, fmt::format("cannot end {}: stuck in the kernel", describe(left)),
        fmt::format("cat /proc/{}/stack, then devrun down again", left.front().process.pid)};
  }
  return ended;
}

Status verify_nothing_left(const Layout& layout) {
  Census census = take_census(layout);
  for (auto mount = census.own_mounts.rbegin(); mount != census.own_mounts.rend(); ++mount) {
    if (!unmount_by_force(*mount)) ::umount2(mount->c_str(), MNT_DETACH);
  }
  // The kernel clears a loop device a moment after the last mount of it has gone.
  const bool cleared =
      wait_until(seconds(3), [&] { return loop_devices_of(layout.image()).empty(); });
  if (!cleared) {
    for (const std::string& device : loop_devices_of(layout.image())) clear_loop(device);
  }
  wait_until(seconds(2), [&] { return loop_devices_of(layout.image()).empty(); });
  const std::optional<fs::path> cgroup = remove_cgroups(layout.cgroup());
  census = take_census(layout);
  if (!census.members.empty()) {
    return Error{Code::kIo, fmt::format("still there: {}", describe(census.members)),
                 "devrun down"};
  }
  if (!census.own_mounts.empty()) {
    return Error{Code::kIo, fmt::format("still mounted: {}", fmt::join(census.own_mounts, ", ")),
                 fmt::format("umount -l {}", census.own_mounts.back())};
  }
  if (!census.loop_devices.empty()) {
    return Error{Code::kIo,
                 fmt::format("{} still holds {}", census.loop_devices.front(), layout.image()),
                 fmt::format("losetup -d {}", census.loop_devices.front())};
  }
  if (cgroup) {
    return Error{Code::kIo, fmt::format("the cgroup {} cannot be removed", cgroup->string()),
                 fmt::format("cat {}/cgroup.procs   (what is in it)", cgroup->string())};
  }
  return ok();
}

}  // namespace devrun::cluster
