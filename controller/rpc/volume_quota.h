// What a user's quota of the store (quotas.h) says of volumes that are to be made or brought back. Blocking; any thread but the
// core's.
#pragma once

#include <string>

#include "controller/rpc/quotas.h"

namespace devrun::controller {

// kExhausted: the user's volumes have, with so many bytes more, more than they may; or with the removed ones that are still
// kept more than twice that: so who removes one can make another at once, and not for ever.
Status check_new_volume(const Quotas& quotas, storage::Storage& storage, const std::string& user,
                        int64_t bytes = 0);
// The same of the removed volume of that name that would come back.
Status check_returned_volume(const Quotas& quotas, storage::Storage& storage,
                             const std::string& user, const std::string& volume);

}  // namespace devrun::controller
