#include "controller/rpc/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/check.h"

namespace devrun::controller {

namespace {

enum Kind : unsigned { kNodeItself = 1, kUserCall = 2, kAdminCall = 4, kForwardedCall = 8 };
constexpr unsigned kPeople = kUserCall | kAdminCall;
constexpr unsigned kAnyClient = kPeople | kForwardedCall;

struct Access {
  std::string_view call;
  unsigned kinds;
};
constexpr Access kAccess[] = {
    {"Synchronize", kNodeItself},   {"Report", kNodeItself},
    {"Streams", kNodeItself},       {"Hello", kAnyClient},
    {"Submit", kAnyClient},         {"Attach", kAnyClient},
    {"ListJobs", kAnyClient},       {"GetJob", kAnyClient},
    {"CancelJob", kAnyClient},      {"ReadLog", kAnyClient},
    {"Watch", kAnyClient},          {"ListVolumes", kAnyClient},
    {"ListNodes", kAnyClient},      {"CreateVolume", kAnyClient},
    {"RemoveVolume", kPeople},      {"DeclareNodeLost", kAdminCall},
    {"DrainNode", kAdminCall},      {"ForeseeJob", kAnyClient},
    {"ReturnVolume", kPeople},      {"FillVolume", kPeople},
    {"GetUsage", kAnyClient},       {"SetQuota", kAdminCall},
    {"ListSnapshots", kAnyClient},  {"CreateSnapshot", kAnyClient},
    {"RemoveSnapshot", kAnyClient}, {"RestoreSnapshot", kAnyClient},
    {"DiffSnapshots", kAnyClient},  {"ReadSnapshotFile", kAnyClient},
    {"Session", kNodeItself},       {"Exec", kAnyClient},
    {"ListSessions", kAnyClient},   {"KeepTrace", kNodeItself},
    {"BringHome", kNodeItself},     {"GetVolumePaths", kAnyClient},
    {"SetVolumePaths", kAnyClient}, {"ListChanges", kAnyClient},
    {"TakeChanges", kAnyClient},    {"UndoChanges", kAnyClient},
    {"CompareTrees", kAnyClient},   {"ReadTreeFile", kAnyClient},
    {"ReadSeries", kAnyClient},     {"ReadQueue", kAnyClient},
    {"ReadUse", kAnyClient},        {"TellSample", kNodeItself},
    {"Invite", kAdminCall},         {"Revoke", kAdminCall},
    {"Renew", kNodeItself},
};

unsigned allowed(std::string_view call) {
  for (const Access& access : kAccess) {
    if (access.call == call) return access.kinds;
  }
  CHECK_MSG(false, "a call without a line in the access table");
}

std::optional<Certified> certified_of(const grpc::CallbackServerContext& context) {
  const auto auth = context.auth_context();
  if (!auth || !auth->IsPeerAuthenticated()) return std::nullopt;
  for (const grpc::string_ref& uri : auth->FindPropertyValues("peer_uri")) {
    if (auto found = parse_certificate_uri({uri.data(), uri.size()})) return found;
  }
  return std::nullopt;
}

std::optional<std::string_view> metadata(const grpc::CallbackServerContext& context,
                                         const char* name) {
  const auto it = context.client_metadata().find(name);
  if (it == context.client_metadata().end()) return std::nullopt;
  return std::string_view(it->second.data(), it->second.size());
}

template <typename T>
bool number(const grpc::CallbackServerContext& context, const char* name, T& out) {
  const auto text = metadata(context, name);
  if (!text) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out);
  return error == std::errc{} && end == text->data() + text->size();
}

// "1,2,3"
bool numbers(std::string_view text, std::vector<uint32_t>& out) {
  while (!text.empty()) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out.emplace_back());
    if (error != std::errc{} || (stop != end && *stop != ',')) return false;
    text.remove_prefix(std::min(text.size(), static_cast<size_t>(stop - text.data()) + 1));
  }
  return true;
}

Result<std::optional<Forwarded>> forwarded_of(const grpc::CallbackServerContext& context) {
  const auto volume = metadata(context, "devrun-forwarded-volume");
  if (!volume) return std::optional<Forwarded>{};
  Forwarded out;
  out.volume = *volume;
  if (!number(context, "devrun-forwarded-job", out.job) ||
      !number(context, "devrun-forwarded-uid", out.uid) ||
      !number(context, "devrun-forwarded-gid", out.gid)) {
    return Error{Code::kInvalid, "devrun-forwarded-{job,uid,gid} are missing or no numbers", {}};
  }
  if (!numbers(metadata(context, "devrun-forwarded-groups").value_or(""), out.groups)) {
    return Error{Code::kInvalid, "devrun-forwarded-groups are no numbers", {}};
  }
  return std::optional<Forwarded>{out};
}

}  // namespace

Status Forwarded::check_ids(const Caller& claimed, std::string_view doing) const {
  if (uid == 0) return ok();
  if (claimed.uid != uid || claimed.gid != gid) {
    return Error{
        Code::kDenied,
        fmt::format("user {}:{} cannot {} as {}:{}", uid, gid, doing, claimed.uid, claimed.gid),
        {}};
  }
  for (const uint32_t group : claimed.groups) {
    if (group == gid || std::ranges::count(groups, group) > 0) continue;
    return Error{
        Code::kDenied,
        fmt::format("user {}:{} cannot {} as a member of group {}", uid, gid, doing, group),
        "id, which shows the groups of this shell"};
  }
  return ok();
}

Result<Peer> identify(const grpc::CallbackServerContext& context, std::string_view call) {
  const auto certified = certified_of(context);
  if (!certified) {
    return Error{Code::kDenied, "the certificate does not say who calls",
                 "use a certificate that `devrun up` or `devrun nodes add` issued"};
  }
  Peer peer{*certified, TRY(forwarded_of(context))};
  unsigned kind = 0;
  if (certified->role == Role::kAdmin) kind = kAdminCall;
  if (certified->role == Role::kUser) kind = kUserCall;
  if (certified->role == Role::kNode) kind = peer.forwarded ? kForwardedCall : kNodeItself;
  if (certified->role != Role::kNode && peer.forwarded) kind = 0;  // only nodes forward
  if ((allowed(call) & kind) == 0 && peer.forwarded) {
    return Error{Code::kDenied,
                 fmt::format("this is a dev container or a job, and {} is not for those", call),
                 "the same on the host, outside of the container"};
  }
  if ((allowed(call) & kind) == 0) {
    return Error{
        Code::kDenied,
        fmt::format("{} is not for {} '{}'", call, role_name(certified->role), certified->name),
        {}};
  }
  return peer;
}

Result<Who> resolve(const State& state, const Peer& peer) {
  if (!peer.forwarded) {
    return Who{peer.certified.role == Role::kAdmin, peer.certified.name, std::nullopt};
  }
  const auto node = state.nodes.find(peer.certified.name);
  const Job* job = find_job(state, peer.forwarded->job);
  bool lives = false;
  if (node != state.nodes.end() && job != nullptr) {
    for (const AttemptKey& key : node->second.live) lives = lives || key.job == job->id;
  }
  if (!lives || job->spec.root.volume != peer.forwarded->volume) {
    return Error{Code::kDenied,
                 fmt::format("job {} does not run on {}, so nothing in it may call",
                             peer.forwarded->job, peer.certified.name),
                 {}};
  }
  return Who{false, job->spec.user, peer.forwarded};
}

}  // namespace devrun::controller
