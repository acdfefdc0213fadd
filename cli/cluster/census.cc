#include "cli/cluster/census.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr std::array<std::string_view, 6> kOurPrograms = {"devrun-keeper", "devrun-controller",
                                                          "devrun-agent",  "devrun-fs",
                                                          "devrun-shim",   "ganesha.nfsd"};

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// mountinfo writes blanks and backslashes as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
    out.push_back(static_cast<char>(value));
    i += 3;
  }
  return out;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const size_t end = line.find(' ');
    out.push_back(line.substr(0, end));
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  return out;
}

std::vector<MountLine> mounts_of(const std::string& process) {
  std::vector<MountLine> out;
  const Result<std::string> text = read_file(fmt::format("/proc/{}/mountinfo", process));
  if (!text) return out;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (auto line = parse_mount_line(rest.substr(0, end))) out.push_back(std::move(*line));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::string namespace_of(const std::string& process) {
  std::error_code failed;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/ns/mnt", process), failed).string();
}

bool is_our_program(std::string_view program) {
  return std::find(kOurPrograms.begin(), kOurPrograms.end(), program) != kOurPrograms.end();
}

bool names_folder(pid_t pid, const std::string& folder) {
  const std::vector<std::string> words = command_line(pid);
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    // `--state /x/y` as well as `--state=/x/y/z` and `--fuse /x/y/z:plain`
    const std::string path = word.substr(word.starts_with("--") ? word.find('=') + 1 : 0);
    return path == folder || is_below(path, folder);
  });
}

// Those in the pid files that still are the processes they were.
std::set<pid_t> recorded_pids(const Layout& layout) {
  std::set<pid_t> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(layout.run(), failed)) {
    if (entry.path().extension() != ".pid") continue;
    const auto process = read_pid_file(entry.path().string());
    if (process && is_alive(*process)) out.insert(process->pid);
  }
  return out;
}

}  // namespace

std::optional<MountLine> parse_mount_line(std::string_view line) {
  // 36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue
  const std::vector<std::string_view> words = words_of(line);
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  return MountLine{std::string(words[2]), unescape(words[3]), unescape(words[4]),
                   std::string(dash[1]),  unescape(dash[2]),  unescape(dash[3])};
}

FolderOnDisk find_on_disk(const std::string& folder, const std::vector<MountLine>& mounts) {
  const MountLine* best = nullptr;
  for (const MountLine& mount : mounts) {
    const bool above = mount.mount_point == "/" || mount.mount_point == folder ||
                       is_below(folder, mount.mount_point);
    // The later of two at the same place hides the earlier.
    if (above && (best == nullptr || mount.mount_point.size() >= best->mount_point.size())) {
      best = &mount;
    }
  }
  if (best == nullptr) return {};
  const std::string_view rest = best->mount_point == "/"
                                    ? std::string_view(folder)
                                    : std::string_view(folder).substr(best->mount_point.size());
  return {best->device, (best->root == "/" ? "" : best->root) + std::string(rest)};
}

bool belongs(const MountLine& line, const Layout& layout, const FolderOnDisk& on_disk,
             const std::set<std::string>& loop_devices) {
  if (is_below(line.mount_point, layout.folder)) return true;
  if (loop_devices.contains(line.source)) return true;
  if (line.device == on_disk.device && is_below(line.root, on_disk.root)) return true;
  return line.type == "overlay" &&
         line.options.find("=" + layout.folder + "/") != std::string::npos;
}

std::vector<std::string> loop_devices_of(const std::string& image) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", failed)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("loop")) continue;
    const Result<std::string> file = read_file(entry.path().string() + "/loop/backing_file", 8192);
    if (file && (*file == image + "\n" || *file == image + " (deleted)\n")) {
      out.push_back("/dev/" + name);
    }
  }
  return out;
}

Census take_census(const Layout& layout) {
  Census out;
  out.loop_devices = loop_devices_of(layout.image());
  const std::set<std::string> loops(out.loop_devices.begin(), out.loop_devices.end());
  const std::vector<MountLine> own = mounts_of("self");
  const FolderOnDisk on_disk = find_on_disk(layout.folder, own);
  std::set<std::pair<std::string, std::string>> own_places;
  for (const MountLine& line : own) {
    own_places.emplace(line.mount_point, line.source);
    // Only what up makes: a disk that the user mounted at the store's place is theirs.
    const bool made =
        line.type == "overlay" || line.type.starts_with("fuse") || loops.contains(line.source);
    if (made && belongs(line, layout, on_disk, loops)) out.own_mounts.push_back(line.mount_point);
  }
  const std::set<pid_t> recorded = recorded_pids(layout);
  std::map<std::string, bool> namespace_is_ours = {{namespace_of("self"), false}};
  for (const pid_t pid : all_pids()) {
    if (pid <= 1 || pid == ::getpid()) continue;
    const std::optional<ProcessId> process = identify(pid);
    const std::string program = program_name(pid);
    if (!process || program.empty()) continue;
    const std::string where = namespace_of(std::to_string(pid));
    auto known = namespace_is_ours.find(where);
    if (known == namespace_is_ours.end()) {
      const std::vector<MountLine> lines = mounts_of(std::to_string(pid));
      const bool ours = std::any_of(lines.begin(), lines.end(), [&](const MountLine& line) {
        return !own_places.contains({line.mount_point, line.source}) &&
               belongs(line, layout, on_disk, loops);
      });
      known = namespace_is_ours.emplace(where, ours).first;
    }
    const bool daemon =
        recorded.contains(pid) || (is_our_program(program) && names_folder(pid, layout.folder));
    if (!daemon && !known->second) continue;
    out.members.push_back({*process, program, is_our_program(program)});
  }
  return out;
}

}  // namespace devrun::cluster
