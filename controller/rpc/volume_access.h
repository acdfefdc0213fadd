// Who may do what with a volume and its snapshots: the owner and administrators everything, others what it is shared with
// them for. How much a call needs stands in controller/access/rights.cc.
#pragma once

#include <string>

#include "controller/rpc/identity.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

// kNotFound with the nearest name of those that the caller may see.
Error no_volume(storage::Storage& storage, const Who& who, const std::string& name);

Level level_on(const Who& who, const storage::VolumeInfo& volume);

// That the caller may do so much with that volume: without `need`, what the table says of the call. kNotFound, kDenied.
Status check_volume(storage::Storage& storage, const Who& who, const std::string& volume);
Status check_volume(storage::Storage& storage, const Who& who, const std::string& volume,
                    Level need);

// The volume that a request means: an empty name is that of the caller's container. Checked like check_volume;
// from a container, another volume than its own is for its root alone.
Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name);
Result<std::string> volume_of_request(storage::Storage& storage, const Who& who,
                                      const std::string& name, Level need);

}  // namespace devrun::controller
