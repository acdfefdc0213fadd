#include "agent/sandbox/site_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "agent/sandbox/idmap.h"
#include "agent/sandbox/lines.h"
#include "agent/sandbox/own_places.h"
#include "agent/sandbox/site_server.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

Error not_there(const Options& options, const SiteMount& mount) {
  return {
      Code::kUnavailable,
      fmt::format("{} of the site cannot be in the job: {} has no folder {}", mount.target,
                  options.node, mount.source),
      "mount it there, or take it out of the node's site_mounts; devrun nodes drain until then"};
}

// Below it, too; what is nosuid or read-only where it comes from stays so.
Result<UniqueFd> clone_of(const Options& options, const SiteMount& mount) {
  UniqueFd clone(::open_tree(AT_FDCWD, mount.source.c_str(),
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  struct stat st {};
  const bool is_missing = !clone && (errno == ENOENT || errno == ENOTDIR);
  if (is_missing || (clone && (::fstat(clone.get(), &st) != 0 || !S_ISDIR(st.st_mode)))) {
    return not_there(options, mount);
  }
  if (!clone) return errno_error("take " + mount.source, errno);
  mount_attr wanted{};
  wanted.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (mount.read_only) wanted.attr_set |= MOUNT_ATTR_RDONLY;
  if (::mount_setattr(clone.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted, sizeof wanted) != 0) {
    return errno_error("confine " + mount.source, errno);
  }
  return clone;
}

bool is_read_only(int mount) {
  struct statvfs about {};
  return ::fstatvfs(mount, &about) == 0 && (about.f_flag & ST_RDONLY) != 0;
}

Result<SiteIdentity> who_is(const Setup& setup) {
  if (setup.spec.user == "root") {
    return Error{Code::kInvalid, "root, the administrator, is nobody on folders of the site",
                 "devrun user add NAME, and devrun as that user"};
  }
  if (setup.spec.nobody_on_sites) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no user of the cluster any more", setup.spec.user),
                 {}};
  }
  if (setup.spec.site_identity) return *setup.spec.site_identity;
  return setup.ground.parts.passwd(setup.spec.user);
}

Status put(Setup& setup, const SiteMount& mount, const UniqueFd& clone) {
  const std::string place = TRY(make_bound(setup.places));
  if (::move_mount(clone.get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return errno_error("mount what is to be at " + mount.target, errno);
  }
  setup.bound.push_back({mount.target, place, !is_read_only(clone.get()), true});
  return ok();
}

// Read-only, so that nobody thinks that what they write is kept.
Status say_why(Setup& setup, const SiteMount& mount, const Error& why) {
  const std::string& cwd = setup.spec.program.cwd;
  const std::string words = fmt::format("{} cannot be in the job: {}", mount.target, why.message);
  if (!setup.spec.dev_container && is_below(cwd, mount.target)) {
    return Error{Code::kInvalid, words, why.hint.empty() ? "another folder: -C DIR" : why.hint};
  }
  const std::string place = TRY(make_bound(setup.places));
  if (::mount("devrun", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=64k,nr_inodes=8,mode=0555") != 0) {
    return errno_error("mount what is to be at " + mount.target, errno);
  }
  const std::string text =
      fmt::format("{}{}{}\n", words, why.hint.empty() ? "" : ". Try: ", why.hint);
  TRY(write_file_atomically(place + "/" + kNotMounted, text, 0444));
  setup.bound.push_back({mount.target, place, false, false});
  return ok();
}

// kUnsupported: not by this way.
Status add_mapped(Setup& setup, const SiteMount& mount, const SiteIdentity& who) {
  const Caller& caller = setup.spec.program.caller;
  const IdMap map = site_id_map(who, caller.uid, caller.gid);
  const UniqueFd clone = TRY(clone_of(setup.ground.options, mount));
  TRY(map_ids(clone.get(), map));
  TRY(put(setup, mount, clone));
  for (size_t i = 1; i < map.gids.size(); ++i) setup.site_groups.insert(map.gids[i].inside);
  return ok();
}

Status add_served(Setup& setup, const SiteMount& mount, const SiteIdentity& who) {
  const std::string place = TRY(make_bound(setup.places));
  std::vector<std::string> served = TRY(read_lines(setup.places.served()));
  served.push_back(place);
  TRY(write_lines(setup.places.served(), served));
  TRY(serve_site_mount(setup.ground.options, mount, who, setup.spec.program.caller, place,
                       setup.places.in("site.log")));
  setup.bound.push_back({mount.target, place, !mount.read_only, true});
  return ok();
}

// Whoever reads the error has not chosen that mount.
Status named(const SiteMount& mount, Status done) {
  if (done) return done;
  Error why = std::move(done).error().context("site mount " + mount.target);
  if (why.hint.empty()) {
    why.hint = fmt::format(
        "an administrator: is {} mounted on the node? site_mounts in its agent.yaml", mount.source);
  }
  return why;
}

Status add(Setup& setup, const SiteMount& mount) {
  if (mount.ids == SiteMount::Ids::kContainer) {
    const Result<UniqueFd> clone = clone_of(setup.ground.options, mount);
    return named(mount, clone ? put(setup, mount, *clone) : Status(clone.error()));
  }
  const Result<SiteIdentity> who = who_is(setup);
  if (!who && who.error().code != Code::kNotFound && who.error().code != Code::kInvalid) {
    return Error(who.error()).context("look for the ids of " + setup.spec.user);
  }
  if (!who) return say_why(setup, mount, who.error());
  // Who only reads asks for nothing that a mount with other ids refuses. But it knows one caller, and who comes into a dev
  // container may be anybody of its passwd.
  const bool is_mapped = mount.ids == SiteMount::Ids::kMapped;
  Status done = Error{Code::kUnsupported, "", {}};
  if (is_mapped || (mount.read_only && !setup.spec.dev_container))
    done = add_mapped(setup, mount, *who);
  if (!done && done.error().code == Code::kUnsupported && !is_mapped) {
    done = add_served(setup, mount, *who);
  }
  if (done || done.error().code != Code::kUnsupported) return named(mount, std::move(done));
  return say_why(setup, mount, done.error());
}

}  // namespace

Status add_site_mounts(Setup& setup) {
  for (const SiteMount& mount : setup.ground.options.site_mounts) TRY(add(setup, mount));
  if (setup.site_groups.empty()) return ok();
  std::vector<std::string> groups;  // for sessions
  for (const uint32_t group : setup.site_groups) groups.push_back(std::to_string(group));
  return write_lines(setup.places.site_groups(), groups);
}

}  // namespace devrun::sandbox
