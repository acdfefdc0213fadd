#include "cli/commands/launch_places.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/client/caller.h"
#include "cli/client/terminal.h"
#include "cli/commands/launch_clone.h"
#include "cli/commands/launch_upload.h"
#include "cli/commands/progress_words.h"
#include "cli/launch/plan_mounts.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"
#include "common/tree/codec.h"

namespace devrun::cli {

namespace {

using Kind = launch::PlannedMount::Kind;

// What starts empty in every job, so that nothing in it is in a snapshot.
constexpr std::string_view kNotInSnapshots[] = {"/tmp",  "/var/tmp", "/run",
                                                "/proc", "/sys",     "/dev"};

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// A name for what is brought, and for nothing else.
std::string short_name(const std::string& text) {
  return tree::sha256(text).hex().substr(0, 12);
}

// Not a link to one, and not `other` by another name.
bool is_folder_with_files(const std::string& path, const std::string& other) {
  struct stat here {};
  struct stat there {};
  if (::lstat(path.c_str(), &here) != 0 || !S_ISDIR(here.st_mode)) return false;
  if (::stat(other.c_str(), &there) == 0 && there.st_ino == here.st_ino &&
      there.st_dev == here.st_dev) {
    return false;
  }
  std::error_code unreadable;
  return !std::filesystem::is_empty(path, unreadable) || unreadable;
}

bool is_there(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0;
}

bool is_folder(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// `ubuntu:22.04` → `image-ubuntu-22.04-1f0c5a2b`: the same image, the same volume.
std::string image_volume(const std::string& image) {
  constexpr size_t kReadable = 40;
  const std::string readable =
      launch::folder_name_of(image.substr(image.size() - std::min(image.size(), kReadable)));
  return "image-" + readable + "-" + short_name(image).substr(0, 8);
}

// An archive of one folder, "./": a header, and the two empty blocks that end it (ustar). A pipe takes it at once.
std::string tar_of_folder(uint32_t uid, uint32_t gid) {
  constexpr size_t kBlock = 512;
  constexpr size_t kChecksumAt = 148;
  std::string out(3 * kBlock, '\0');
  const auto put = [&](size_t at, const std::string& text) { out.replace(at, text.size(), text); };
  put(0, "./");
  put(100, "0000755");
  put(108, fmt::format("{:07o}", uid & 07777777U));
  put(116, fmt::format("{:07o}", gid & 07777777U));
  put(124, "00000000000");
  put(136, "00000000000");
  put(kChecksumAt, "        ");
  put(156, "5");
  put(257, std::string("ustar\00000", 8));
  uint32_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(out[i]);
  put(kChecksumAt, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return out;
}

std::string expanded(const std::string& path, const std::string& home) {
  return path == "~" || path.starts_with("~/") ? home + path.substr(1) : path;
}

}  // namespace

std::string home_of(const Context& context, const Caller& caller) {
  std::string out = context.surroundings.variable("HOME").value_or("");
  if (!out.starts_with('/')) out = caller.home;
  while (out.ends_with('/')) out.pop_back();
  return out;
}

Result<TaskPlaces> Places::of(const launch::TaskPlan& task) {
  TaskPlaces out;
  out.volume = TRY(volume_of(task));
  TRY(find_workdir(task, out));
  for (const launch::PlannedMount& mount : task.mounts) TRY(add(mount, out));
  cover_what_lies_there(out);
  return out;
}

Status Places::look_at_volumes() {
  if (volumes_) return ok();
  volumes_.emplace();
  for (const VolumeRecord& volume : TRY(controller_.list_volumes())) volumes_->insert(volume.name);
  return ok();
}

Status Places::make_volume(const VolumeRequest& request, const std::string& what) {
  TRY(look_at_volumes());
  if (volumes_->count(request.name) != 0) return ok();
  if (!quiet_) context_.console.say(fmt::format("making {}, once", what));
  Progress progress(context_.console, quiet_, is_terminal(context_.console.err()));
  Status made = create(request, shown_by(progress));
  // Somebody else may be faster, or at it.
  const bool others =
      !made && (made.error().code == Code::kExists || made.error().code == Code::kConflict);
  if (!made && (!others || !await_volume(request.name))) {
    return std::move(made).error().context(what);
  }
  volumes_->insert(request.name);
  return ok();
}

// An empty one of a caller who is not root is made of an archive that says whose its root folder is: it would be root's.
Status Places::create(const VolumeRequest& request, const ProgressWords& words) {
  const bool is_empty = std::holds_alternative<Empty>(request.source);
  if (!is_empty || caller_.uid == 0) return controller_.create_volume(request, words);
  Pipe pipe = TRY(make_pipe());
  TRY(write_all(pipe.write.get(), tar_of_folder(caller_.uid, caller_.gid)));
  pipe.write.reset();
  const auto whole = []() -> Status { return ok(); };
  return controller_.fill_volume({request.name, true, {}, 0}, pipe.read.get(), whole, words);
}

// kTimeout if it does not come: who was at it has given up.
Status Places::await_volume(const std::string& name) {
  constexpr auto kPause = std::chrono::milliseconds(50);
  constexpr int kLooks = 20 * 600;
  for (int look = 0; look < kLooks; ++look) {
    for (const VolumeRecord& volume : TRY(controller_.list_volumes())) {
      if (volume.name == name) return ok();
    }
    std::this_thread::sleep_for(kPause);
  }
  return Error{Code::kTimeout, "volume " + name + " does not come", {}};
}

Result<std::string> Places::volume_of(const launch::TaskPlan& task) {
  if (!wanted_volume_.empty()) return wanted_volume_;
  if (!task.asks.image.empty()) {
    const std::string name = image_volume(task.asks.image);
    TRY(make_volume({name, FromImage{task.asks.image}, 0},
                    fmt::format("volume {} of the image {}", name, task.asks.image)));
    return name;
  }
  if (target_.volume.empty() && !target_.through_socket) {
    return Error{Code::kInvalid, "which volume? This is no dev container, and none is named",
                 "--volume NAME, or DEVRUN_VOLUME=NAME; devrun volume ls"};
  }
  return target_.volume;
}

// The caller's tree is the volume's, and the path is one of its own.
bool Places::is_in(const std::string& volume, const std::string& path) const {
  if (!target_.through_socket || volume != target_.volume) return false;
  return std::ranges::none_of(kNotInSnapshots,
                              [&](std::string_view folder) { return is_below(path, folder); });
}

Result<std::string> Places::path_here(const std::string& written) const {
  return without_end_slashes(TRY(absolute_path(expanded(written, home_))));
}

std::string Places::in_task(const std::string& target, const TaskPlaces& places) const {
  constexpr std::string_view kWorkdir = "~/sky_workdir";
  if (is_below(target, kWorkdir) && !places.workdir.empty()) {
    return places.workdir + target.substr(kWorkdir.size());
  }
  return expanded(target, home_);
}

Result<std::string> Places::brought(const std::string& path, const std::string& to, bool whole,
                                    TaskPlaces& out) {
  if (is_in(out.volume, path)) return path;
  const JobId job =
      TRY(upload(controller_, context_, signals_, {path, out.volume, to, caller_, whole}));
  if (std::ranges::count(out.after, job) == 0) out.after.push_back(job);
  return to;
}

Status Places::find_workdir(const launch::TaskPlan& task, TaskPlaces& out) {
  const std::string in_home = expanded("~/sky_workdir", home_);
  if (task.git) {
    const Clone clone = TRY(clone_repository(task.git->url, task.git->ref, task.git->shown));
    out.workdir = TRY(brought(clone.folder(), in_home, true, out));
    return ok();
  }
  if (task.workdir.empty()) return ok();
  const std::string path = TRY(path_here(task.workdir));
  if (!is_folder(path)) {
    return Error{Code::kNotFound,
                 fmt::format("workdir '{}' is not a folder here", task.workdir_shown),
                 "a path relative to the current directory"};
  }
  out.workdir = TRY(brought(path, in_home, false, out));
  return ok();
}

// Where nothing lies the scripts make a link, over which renames work as they do in the folder itself. What is mounted below
// the workdir would not be seen through the cover, and of two that lie in one another neither can cover the other.
void Places::cover_what_lies_there(TaskPlaces& out) const {
  const std::string in_home = expanded("~/sky_workdir", home_);
  if (out.workdir.empty() || !is_in(out.volume, out.workdir)) return;
  if (is_below(in_home, out.workdir) || is_below(out.workdir, in_home)) return;
  const bool has_mounts = std::ranges::any_of(
      out.paths, [&](const PathRule& rule) { return is_below(rule.path, out.workdir); });
  if (has_mounts || !is_folder_with_files(in_home, out.workdir)) return;
  out.paths.push_back({in_home, {}, PathKind::kBound, {}, out.workdir});
}

Status Places::add(const launch::PlannedMount& mount, TaskPlaces& out) {
  const std::string target = in_task(mount.target, out);
  switch (mount.kind) {
    case Kind::kLocal:
      return add_local(mount, out);
    case Kind::kUri:
      out.steps.push_back({launch::PlaceStep::Kind::kFetch, mount.source, target});
      return ok();
    case Kind::kShared:
      TRY(make_volume({mount.name, Empty{}, 0}, "the shared folder " + mount.name));
      return add_shared(mount, out);
    case Kind::kVolume:
      TRY(look_at_volumes());
      if (volumes_->count(mount.name) == 0) {
        return Error{Code::kNotFound, fmt::format("volumes: there is no volume '{}'", mount.name),
                     fmt::format("devrun volume create {} --empty", mount.name)};
      }
      out.paths.push_back({target, {}, PathKind::kLive, mount.name});
      return ok();
    case Kind::kScratch:
      out.steps.push_back({launch::PlaceStep::Kind::kFolder, {}, target});
      return ok();
  }
  return ok();
}

Status Places::add_local(const launch::PlannedMount& mount, TaskPlaces& out) {
  const std::string target = in_task(mount.target, out);
  const std::string path = TRY(path_here(mount.source));
  if (!is_there(path)) {
    return Error{Code::kNotFound,
                 fmt::format("file_mounts (line {}): '{}' is not here", mount.place.line,
                             mount.shown.substr(mount.shown.find("  from ") + 7)),
                 "a path relative to the current directory"};
  }
  const std::string aside = expanded("~/.sky/mounts/" + short_name(mount.target), home_);
  const std::string source = TRY(brought(path, aside, false, out));
  if (source != target) out.paths.push_back({target, {}, PathKind::kBound, {}, source});
  return ok();
}

// A copy for the task alone is filled from the live folder, which then lies aside.
Status Places::add_shared(const launch::PlannedMount& mount, TaskPlaces& out) {
  const std::string target = in_task(mount.target, out);
  const std::string aside = expanded("~/.sky/shared/" + mount.name, home_);
  const std::string live = mount.copied ? aside : target;
  const bool known =
      std::ranges::any_of(out.paths, [&](const PathRule& rule) { return rule.path == live; });
  if (!known) out.paths.push_back({live, {}, PathKind::kLive, mount.name});
  const bool several = mount.filled_by.size() > 1;
  for (const std::string& source : mount.filled_by) {
    if (launch::is_uri(source)) {
      out.steps.push_back({launch::PlaceStep::Kind::kFetch, source, live, true});
      continue;
    }
    const std::string path = TRY(path_here(source));
    if (!is_there(path)) {
      return Error{Code::kNotFound,
                   fmt::format("file_mounts (line {}): a source is not here", mount.place.line),
                   "a path relative to the current directory"};
    }
    const std::string to = expanded("~/.sky/sources/" + short_name(mount.name + path), home_);
    std::string into = live;
    if (several) {
      into += "/" + path.substr(path.rfind('/') + 1);
      out.steps.push_back({launch::PlaceStep::Kind::kFolder, {}, into});
    }
    const std::string from = TRY(brought(path, to, false, out));
    out.steps.push_back({launch::PlaceStep::Kind::kFill, from, into});
  }
  if (!mount.copied) return ok();
  out.steps.push_back({launch::PlaceStep::Kind::kFolder, {}, target});
  out.steps.push_back({launch::PlaceStep::Kind::kFill, live, target});
  return ok();
}

std::vector<launch::Diagnostic> missing_sources(const launch::Plan& plan, const Context& context) {
  std::vector<launch::Diagnostic> out;
  const auto caller = capture_caller();
  const std::string home = home_of(context, caller ? *caller : Caller{});
  for (const launch::TaskPlan& task : plan.tasks) {
    const std::string folder = without_end_slashes(expanded(task.workdir, home));
    if (!folder.empty() && !is_folder(folder)) {
      out.push_back(launch::warning_at(
          task.workdir_place,
          fmt::format("workdir '{}' is not a folder here, so that a launch would be refused",
                      task.workdir_shown),
          "a path relative to the current directory"));
    }
    for (const launch::PlannedMount& mount : task.mounts) {
      const bool is_path = mount.kind == Kind::kLocal;
      if (!is_path || is_there(expanded(mount.source, home))) continue;
      out.push_back(launch::warning_at(
          mount.place, fmt::format("what is to be mounted is not here: {}", mount.shown),
          "a path relative to the current directory"));
    }
  }
  return out;
}

}  // namespace devrun::cli
