// Who may do what with a volume and its snapshots.
#pragma once

#include <string>

#include "controller/rpc/identity.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

// kNotFound with the nearest name.
Error no_volume(storage::Storage& storage, const std::string& name);

// kDenied unless it is the caller's own volume, or the caller an administrator.
Status check_owner(storage::Storage& storage, const Who& who, const std::string& volume);

enum class Need {
  kNames,  // that snapshots are there, and taking one: any user of the volume's containers
  kFiles,  // what is in them: from a container only its root, whom no file's mode keeps out
};
// The volume that a request means: an empty name is that of the caller's container.
Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name, Need need);

}  // namespace devrun::controller
