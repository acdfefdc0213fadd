#include "controller/rpc/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/check.h"

namespace devrun::controller {

namespace {

unsigned kind_of(const Peer& peer) {
  if (peer.certified.role != Role::kNode && peer.forwarded) return 0;  // only nodes forward
  switch (peer.certified.role) {
    case Role::kAdmin:
      return kByAdmin;
    case Role::kUser:
      return kByUser;
    case Role::kReader:
      return kByReader;
    case Role::kNode:
      if (!peer.forwarded) return kByNode;
      return kByContainer | (peer.forwarded->uid == 0 ? kByContainerRoot : 0u);
    case Role::kController:
      break;
  }
  return 0;
}

Error refusal(const Peer& peer, std::string_view call) {
  if (peer.forwarded && (peer.right->by & kByContainerRoot) != 0) {
    return {
        Code::kDenied,
        fmt::format("{} is only for root of this container: it reaches every user's files", call),
        "the same as root"};
  }
  if (peer.forwarded) {
    return {Code::kDenied,
            fmt::format("this is a dev container or a job, and {} is not for those", call),
            "the same on the host, outside of the container"};
  }
  return {Code::kDenied,
          fmt::format("{} is not for {} '{}'", call, role_name(peer.certified.role),
                      peer.certified.name),
          {}};
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

Level Who::level_on(const std::string& owner, const std::string& volume, uint32_t uid) const {
  if (admin) return Level::kOwn;
  const bool is_theirs = !from || from->uid == 0 || (volume == from->volume && uid == from->uid);
  if (owner == user && is_theirs) return Level::kOwn;
  return reader ? Level::kSee : Level::kNone;
}

Result<Peer> identify(const Gate& gate, const grpc::CallbackServerContext& context,
                      std::string_view call) {
  const auto auth = context.auth_context();
  const Presented said = auth && auth->IsPeerAuthenticated() ? presented_by(*auth) : Presented{};
  if (!said.who) {
    return Error{Code::kDenied, "the certificate does not say who calls",
                 "use a certificate that `devrun up` or `devrun nodes add` issued"};
  }
  TRY(gate.admits(*said.who, said.issued));
  Peer peer{*said.who, TRY(forwarded_of(context)), &right_of(call), said.issued,
            &gate,     gate.callers().of(context)};
  if ((peer.right->by & kind_of(peer)) == 0) return refusal(peer, call);
  return peer;
}

Status still_counts(const Peer& peer, const std::string& user) {
  CHECK(peer.gate != nullptr);
  TRY(peer.gate->admits(peer.certified, peer.issued));
  if (!peer.forwarded) return ok();
  const Accounts& accounts = peer.gate->accounts();
  if (!accounts.is_there(user)) {
    return Error{Code::kDenied, fmt::format("'{}' is no user of this cluster any more", user),
                 "an administrator: devrun user ls"};
  }
  if (accounts.is_reader(user) && (peer.right->by & kByReader) == 0) {
    return Error{Code::kDenied,
                 fmt::format("{} is not for '{}', who may only look", peer.right->call, user),
                 {}};
  }
  return ok();
}

Result<Who> resolve(const State& state, const Peer& peer) {
  CHECK(peer.gate != nullptr);
  const Accounts& accounts = peer.gate->accounts();
  if (!peer.forwarded) {
    const auto& [role, name] = peer.certified;
    TRY(still_counts(peer, name));
    return Who{role == Role::kAdmin,  name,      {}, accounts.groups_of(name),
               role == Role::kReader, peer.right};
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
  const std::string& user = job->spec.user;
  if (peer.name) peer.name->set(user);
  TRY(still_counts(peer, user));
  return Who{false, user, peer.forwarded, accounts.groups_of(user), false, peer.right};
}

}  // namespace devrun::controller
