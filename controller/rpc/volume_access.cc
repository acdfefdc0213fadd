#include "controller/rpc/volume_access.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/suggest.h"

namespace devrun::controller {

namespace {

Level level_of(storage::ShareFor access) {
  return access == storage::ShareFor::kWriting ? Level::kWrite : Level::kRead;
}

Error refused(const Who& who, const storage::VolumeInfo& volume, Level level, Level need) {
  if (level < Level::kRead) {
    return {Code::kDenied,
            fmt::format("volume '{}' belongs to '{}', not to '{}'", volume.name, volume.owner,
                        who.user),
            "devrun volume ls"};
  }
  if (need == Level::kWrite) {
    return {Code::kDenied,
            fmt::format("volume '{}' of '{}' is shared with '{}' for reading alone", volume.name,
                        volume.owner, who.user),
            fmt::format("devrun volume fork {} NEW, for a volume of your own; or {} calls: devrun "
                        "volume share {} {} --write",
                        volume.name, volume.owner, volume.name, who.user)};
  }
  return {
      Code::kDenied,
      fmt::format("volume '{}' belongs to '{}', who alone may do this", volume.name, volume.owner),
      fmt::format("devrun volume fork {} NEW, for a volume of your own", volume.name)};
}

}  // namespace

Error no_volume(storage::Storage& storage, const Who& who, const std::string& name) {
  std::string nearest;
  if (const auto volumes = storage.volumes()) {
    std::vector<std::string_view> names;
    for (const storage::VolumeInfo& volume : *volumes) {
      if (level_on(who, volume) >= Level::kSee) names.push_back(volume.name);
    }
    if (const auto word = nearest_word(name, names)) {
      nearest = fmt::format("; did you mean '{}'?", *word);
    }
  }
  return {Code::kNotFound, fmt::format("there is no volume '{}'{}", name, nearest),
          "devrun volume ls"};
}

Level level_on(const Who& who, const storage::VolumeInfo& volume) {
  if (who.admin || volume.owner == who.user) return Level::kOwn;
  Level out = who.reader ? Level::kSee : Level::kNone;
  for (const auto& [with, access] : volume.shares) {
    const bool is_theirs =
        with == who.user || (with.starts_with('@') && who.groups.contains(with.substr(1)));
    if (is_theirs && !who.reader) out = std::max(out, level_of(access));
  }
  return out;
}

Status check_volume(storage::Storage& storage, const Who& who, const std::string& volume) {
  return check_volume(storage, who, volume, who.right->volume);
}

Status check_volume(storage::Storage& storage, const Who& who, const std::string& volume,
                    Level need) {
  const auto found = storage.volume(volume);
  if (!found) {
    if (found.error().code != Code::kNotFound) return found.error();
    return no_volume(storage, who, volume);
  }
  const Level level = level_on(who, *found);
  if (level >= need) return ok();
  return refused(who, *found, level, need);
}

Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name) {
  return volume_of_request(storage, who, name, who.right->volume);
}

Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name, Level need) {
  if (name.empty() && !who.from) {
    return Error{Code::kInvalid, "no volume is named, and this is no dev container",
                 "name one, or set DEVRUN_VOLUME; devrun volume ls"};
  }
  const std::string volume = name.empty() ? who.from->volume : name;
  if (who.from && who.from->uid != 0 && volume != who.from->volume) {
    return Error{
        Code::kDenied,
        fmt::format("only root of volume '{}' may use its owner's other volumes", who.from->volume),
        {}};
  }
  TRY(check_volume(storage, who, volume, need));
  return volume;
}

}  // namespace devrun::controller
