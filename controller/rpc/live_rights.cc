#include "controller/rpc/live_rights.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "common/base/log.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

struct LiveJob {
  JobId job = 0;
  JobSpec spec;  // what counts of it
  Time submitted;
};

// By volume, one path of each that is live.
std::map<std::string, std::string> live_folders(const JobSpec& spec) {
  std::map<std::string, std::string> out;
  if (spec.root.live) out.emplace(spec.root.volume, "/");
  for (const PathRule& rule : spec.paths) {
    if (rule.kind != PathKind::kLive) continue;
    out.emplace(rule.volume.empty() ? spec.root.volume : rule.volume, rule.path);
  }
  return out;
}

std::vector<LiveJob> live_jobs(CoreLoop& core) {
  return ask_core(core, [](const State& state, Time) {
    std::vector<LiveJob> out;
    for (const auto& [id, job] : state.jobs) {
      if (job.outcome || !has_live_folders(job.spec)) continue;
      LiveJob one{id, {}, job.timeline.submitted};
      one.spec.user = job.spec.user;
      one.spec.root = job.spec.root;
      one.spec.paths = job.spec.paths;
      one.spec.live_volumes = job.spec.live_volumes;
      out.push_back(std::move(one));
    }
    return out;
  });
}

}  // namespace

bool may_write(const Accounts& accounts, const std::string& user,
               const storage::VolumeInfo& volume) {
  if (volume.owner == user) return true;
  Who who;
  who.user = user;
  who.admin = accounts.is_admin(user);
  who.reader = accounts.is_reader(user);
  who.groups = accounts.groups_of(user);
  return accounts.is_there(user) && level_on(who, volume) >= Level::kWrite;
}

bool has_live_folders(const JobSpec& spec) {
  return !live_folders(spec).empty();
}

bool has_live_folder_of(const JobSpec& spec, const std::string& volume) {
  return live_folders(spec).contains(volume);
}

std::map<std::string, Time> volumes_made(storage::Storage& storage, const JobSpec& spec) {
  std::map<std::string, Time> out;
  for (const auto& [name, path] : live_folders(spec)) {
    // Of one that is not there, whoever looks at the rights says so.
    if (const auto volume = storage.volume(name)) out[name] = volume->created;
  }
  return out;
}

Status check_live_folders(storage::Storage& storage, const Accounts& accounts, const JobSpec& spec,
                          Time submitted) {
  for (const auto& [name, path] : live_folders(spec)) {
    const storage::VolumeInfo volume = TRY(storage.volume(name));
    // Of a job of before they were noted the times tell.
    const auto made = spec.live_volumes.find(name);
    const bool is_another = made == spec.live_volumes.end() ? volume.created > submitted
                                                            : volume.created != made->second;
    if (is_another) {
      return Error{Code::kDenied,
                   fmt::format("volume '{}', which it has live at {}, was removed, and what has "
                               "that name now is another one",
                               name, path),
                   {}};
    }
    if (may_write(accounts, spec.user, volume)) continue;
    return Error{Code::kDenied,
                 fmt::format("volume '{}' of '{}', which it has live at {}, is shared with '{}' "
                             "for writing no more",
                             name, volume.owner, path, spec.user),
                 {}};
  }
  return ok();
}

void end_jobs_without_rights(const Parts& parts) {
  for (const LiveJob& job : live_jobs(parts.core)) {
    const Status may = check_live_folders(parts.storage, parts.accounts, job.spec, job.submitted);
    if (may || (may.error().code != Code::kDenied && may.error().code != Code::kNotFound)) continue;
    log::info("job {} of '{}' ends: {}", job.job, job.spec.user, may.error().message);
    parts.core.post(Cancel{{job.job, kNoTask}, 0, may.error().message});
  }
}

}  // namespace devrun::controller
