#include "controller/rpc/volume_access.h"

#include <fmt/format.h>

#include "common/base/suggest.h"

namespace devrun::controller {

Error no_volume(storage::Storage& storage, const std::string& name) {
  std::string nearest;
  if (const auto volumes = storage.volumes()) {
    std::vector<std::string_view> names;
    for (const storage::VolumeInfo& volume : *volumes) names.push_back(volume.name);
    if (const auto word = nearest_word(name, names)) {
      nearest = fmt::format("; did you mean '{}'?", *word);
    }
  }
  return {Code::kNotFound, fmt::format("there is no volume '{}'{}", name, nearest),
          "devrun volume ls"};
}

Status check_owner(storage::Storage& storage, const Who& who, const std::string& volume) {
  const auto found = storage.volume(volume);
  if (!found) {
    if (found.error().code != Code::kNotFound) return found.error();
    return no_volume(storage, volume);
  }
  if (who.admin || found->owner == who.user) return ok();
  return Error{
      Code::kDenied,
      fmt::format("volume '{}' belongs to '{}', not to '{}'", found->name, found->owner, who.user),
      "devrun volume ls"};
}

Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name, Need need) {
  const bool is_plain_user = who.from && who.from->uid != 0;
  if (name.empty() && !who.from) {
    return Error{Code::kInvalid, "no volume is named, and this is no dev container",
                 "name one, or set DEVRUN_VOLUME; devrun volume ls"};
  }
  const std::string volume = name.empty() ? who.from->volume : name;
  if (is_plain_user && volume != who.from->volume) {
    return Error{
        Code::kDenied,
        fmt::format("only root of volume '{}' may use its owner's other volumes", who.from->volume),
        {}};
  }
  if (is_plain_user && need == Need::kFiles) {
    return Error{Code::kDenied, "only root may do this: a snapshot holds every user's files",
                 "the same as root"};
  }
  TRY(check_owner(storage, who, volume));
  return volume;
}

}  // namespace devrun::controller
