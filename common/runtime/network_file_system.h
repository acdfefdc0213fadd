// File systems that other machines share: what is for one machine alone (a database's locks) or stands on what only local
// ones do has no place on them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun {

// By statfs's f_type: NFS, SMB, Ceph, Lustre; empty: none of these. Others look like local ones (FUSE) or are not known.
std::string_view network_file_system_name(int64_t type);

// Of what holds `folder`.
Result<std::string_view> network_file_system_of(const std::string& folder);

}  // namespace devrun
