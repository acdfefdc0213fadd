// The calls of ClientService about the kinds of a volume's paths.
#include "common/wire/job.h"
#include "controller/rpc/client_service.h"
#include "controller/rpc/path_kinds.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

// After fill_sites: what the site has mounted is nothing else by default.
void fill(pb::VolumePaths& out, const std::string& volume, const PathRules& set,
          const std::string& home, const std::string& cwd) {
  out.set_volume(volume);
  SitePaths sites;
  for (const pb::SitePath& site : out.sites()) sites[site.path()];
  for (const PathRule& rule : default_path_rules(home, cwd)) {
    if (site_of(sites, rule.path).empty()) *out.add_defaults() = wire::to_proto(rule);
  }
  for (const PathRule& rule : set) *out.add_set() = wire::to_proto(rule);
}

// Of the request's reply, before a worker fills in the rest.
void fill_sites(pb::VolumePaths& out, const State& state) {
  for (const auto& [path, nodes] : site_paths(state)) {
    pb::SitePath& site = *out.add_sites();
    site.set_path(path);
    site.mutable_nodes()->Add(nodes.begin(), nodes.end());
  }
}

}  // namespace

grpc::ServerUnaryReactor* ClientService::GetVolumePaths(Context* context,
                                                        const pb::GetVolumePathsRequest* request,
                                                        pb::VolumePaths* reply) {
  return on_worker(
      parts_, context, "GetVolumePaths",
      [=](const State& state, const Who&, Time) {
        fill_sites(*reply, state);
        return ok();
      },
      [=, &storage = parts_.storage](const Who& who) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request->volume()));
        const PathRules set = TRY(storage.volume_paths(volume));
        fill(*reply, volume, set, request->home(), request->cwd());
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::SetVolumePaths(Context* context,
                                                        const pb::SetVolumePathsRequest* request,
                                                        pb::VolumePaths* reply) {
  return on_worker(
      parts_, context, "SetVolumePaths",
      [=](const State& state, const Who&, Time) {
        fill_sites(*reply, state);
        return ok();
      },
      [=, this, &storage = parts_.storage](const Who& who) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request->volume()));
        const PathRules set = TRY(wire::path_rules_from(request->set()));
        const PathRules unset = TRY(wire::path_rules_from(request->unset()));
        const std::lock_guard one_at_a_time(paths_mutex_);
        const PathRules before = TRY(storage.volume_paths(volume));
        const PathRules rules = TRY(changed_paths(before, set, unset));
        TRY(storage.set_volume_paths(volume, rules));
        fill(*reply, volume, rules, request->home(), request->cwd());
        return ok();
      });
}

}  // namespace devrun::controller
