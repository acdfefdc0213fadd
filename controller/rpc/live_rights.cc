#include "controller/rpc/live_rights.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <set>
#include <vector>

#include "common/base/log.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

struct LiveJob {
  JobId job = 0;
  std::string user;
  std::map<std::string, std::string> folders;  // by volume, one path of each that is live
};

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
  auto answer = std::make_shared<std::promise<std::vector<LiveJob>>>();
  std::future<std::vector<LiveJob>> jobs = answer->get_future();
  core.read([answer](const State& state, Time) {
    std::vector<LiveJob> out;
    for (const auto& [id, job] : state.jobs) {
      if (job.outcome || !has_live_folders(job.spec)) continue;
      out.push_back({id, job.spec.user, live_folders(job.spec)});
    }
    answer->set_value(std::move(out));
  });
  return jobs.get();
}

// A removed user's own volumes stay theirs; of others' they have nothing any more.
bool may_write(const Accounts& accounts, const std::string& user,
               const storage::VolumeInfo& volume) {
  if (volume.owner == user) return true;
  Who who;
  who.user = user;
  who.admin = user == kBuiltInAdmin || accounts.is_admin(user);
  who.groups = accounts.groups_of(user);
  const bool is_there = who.admin || accounts.is_there(user);
  return is_there && level_on(who, volume) >= Level::kWrite;
}

}  // namespace

bool has_live_folders(const JobSpec& spec) {
  return !live_folders(spec).empty();
}

void end_jobs_without_rights(const Parts& parts) {
  for (const LiveJob& job : live_jobs(parts.core)) {
    for (const auto& [name, path] : job.folders) {
      const auto volume = parts.storage.volume(name);
      // One that was removed has its own end.
      if (!volume || may_write(parts.accounts, job.user, *volume)) continue;
      log::info("job {} of '{}' ends: volume '{}' of '{}' is not theirs to write any more", job.job,
                job.user, name, volume->owner);
      parts.core.post(Cancel{
          {job.job, kNoTask},
          0,
          fmt::format(
              "volume '{}' of '{}', which it has live at {}, is shared with '{}' for writing "
              "no more",
              name, volume->owner, path, job.user)});
      break;
    }
  }
}

}  // namespace devrun::controller
