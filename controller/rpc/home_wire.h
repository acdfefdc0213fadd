// Entries of uppers as they come over the wire (agent.proto, HomeEntry). Refuses what no tree can
// hold.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "controller/storage/home.h"
#include "devrun/v1/agent.pb.h"

namespace devrun::controller {

Result<std::vector<storage::UpperItem>> items_of(const devrun::v1::HomeEntries& in);

}  // namespace devrun::controller
